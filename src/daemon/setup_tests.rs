use super::*;

const CONFIG: &str = "\
datasources:
  - {name: main, url: 'http://127.0.0.1:9', rule_files: [good.yml, FILES]}
route: {receiver: r}
receivers:
  - name: r
    pagerduty_configs: [{routing_key_file: key}]
    slack_configs: [{api_url_file: url}]
";

/// A folder with a configuration whose rule files are `files`, and other files beside.
fn folder(files: &str, others: &[(&str, &[u8])]) -> (tempfile::TempDir, From) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = CONFIG.replace("FILES", files);
    let good = b"groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]";
    let usual: [(&str, &[u8]); 4] = [
        ("stentor.yml", config.as_bytes()),
        ("good.yml", good),
        ("key", b"canary\n"),
        ("url", b"http://127.0.0.1:9/canary\r\n"),
    ];
    for (name, text) in usual.iter().chain(others) {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let from = From {
        files: Files::Config(folder.path().join("stentor.yml")),
        external_url: String::new(),
        dry_run: false,
        allow_empty: false,
    };
    (folder, from)
}

/// Checks the lines that say what is wrong and where.
#[track_caller]
fn check(files: &str, others: &[(&str, &[u8])], expected: &[&str]) {
    let (folder, from) = folder(files, others);
    let why = load(&from, None).err().unwrap_or_default();
    assert!(!why.contains("canary"), "{why}");
    let here = format!("{}/", folder.path().display());
    let lines = why.lines().map(|line| line.trim().replace(&here, ""));
    let told = |line: &String| {
        ["error", "-->", "and "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let lines: Vec<String> = lines.filter(told).collect();
    assert_eq!(lines, expected, "{why}");
}

#[test]
fn all_files_that_cannot_be_used_are_told_at_once() {
    let bad: &[u8] = b"groups: [{name: g, rules: [{alert: A, expr: up ==}]}]";
    let others = [
        ("latin.yml", b"groups:\n- name: \xe4\n" as &[u8]),
        ("bad.yml", bad),
        ("key", b" \n"),
        ("url", b"canary"),
    ];
    check(
        "latin.yml, none.yml, bad.yml, '.', 'no/*.yml'",
        &[],
        &[
            "error[config/file]: no file is named `latin.yml`",
            "--> stentor.yml:2:68",
            "error[config/file]: no file is named `none.yml`",
            "--> stentor.yml:2:79",
            "error[config/file]: no file is named `bad.yml`",
            "--> stentor.yml:2:89",
            "error[config/file]: .: Is a directory (os error 21)",
            "--> stentor.yml:2:98",
        ],
    );
    check(
        "latin.yml, none.yml, bad.yml",
        &others,
        &[
            "error[yaml/encoding]: the file is not UTF-8",
            "--> latin.yml:2:9",
            "error[config/file]: no file is named `none.yml`",
            "--> stentor.yml:2:79",
            "error[config/secret]: the secret file key: it is empty",
            "--> stentor.yml:6:44",
            "error[config/secret]: the secret file url: expected a URL that begins with http:// or https://",
            "--> stentor.yml:7:36",
            "error[promql/syntax]: unexpected end of input",
            "--> bad.yml:1:50",
        ],
    );
}

#[test]
fn secrets_in_files_end_with_line_breaks_and_may_be_missing_in_a_dry_run() {
    check("good.yml", &[], &[]);
    let two_lines: [(&str, &[u8]); 1] = [("key", b"canary\ncanary")];
    check(
        "good.yml",
        &two_lines,
        &[
            "error[config/secret]: the secret file key: expected one line of text",
            "--> stentor.yml:6:44",
        ],
    );
    let (folder, mut from) = folder("good.yml", &[]);
    std::fs::remove_file(folder.path().join("key")).expect("removed");
    assert!(load(&from, None).is_err());
    from.dry_run = true;
    assert!(load(&from, None).is_ok());
}

#[test]
fn of_very_many_errors_the_first_are_shown() {
    let rules = "\n  - {alert: A, expr: 1 +}".repeat(MOST_SHOWN + 7);
    let text = format!("groups:\n- name: g\n  rules:{rules}");
    let (_folder, from) = folder("bad.yml", &[("bad.yml", text.as_bytes())]);
    let why = load(&from, None).err().expect("refused");
    assert_eq!(why.matches("error[").count(), MOST_SHOWN);
    assert!(why.ends_with("and 7 more errors: `stentor check` shows all\n"));
}
