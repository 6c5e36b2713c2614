(() => {
  const main = document.querySelector("main");
  const opened = () => [...main.querySelectorAll("details[open][id]")].map((d) => d.id);
  let failed = 0;
  const refresh = async () => {
    if (document.hidden || String(getSelection())) return;
    try {
      const answer = await fetch("fragment", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = opened();
      const focused = document.activeElement && document.activeElement.id;
      main.replaceChildren(...page.body.childNodes);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      failed = 0;
    } catch {
      failed += 1;
    }
    document.body.classList.toggle("lost", failed > 2);
  };
  setInterval(refresh, 1000);
})();
