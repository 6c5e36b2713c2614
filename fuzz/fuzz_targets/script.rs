//! Scripts, and with them the evaluator: whatever a script says, running it ends. Scripts that load
//! much or make many steps are left out, as they only cost time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_lang::promql::script::{self, Command, When};

fuzz_target!(|text: &str| {
    let Ok(script) = script::parse(text) else {
        return;
    };
    let mut loaded = 0_u64;
    for (command, _) in &script.commands {
        match command {
            Command::Clear => {}
            Command::Load(load) => {
                for series in load.series.values() {
                    loaded = loaded.saturating_add(series.values.len());
                }
            }
            Command::Eval(eval) => {
                if let When::Range(start, end, step) = eval.when
                    && step.millis() > 0
                    && end.since(start).millis() / step.millis() > 1000
                {
                    return;
                }
            }
        }
    }
    if loaded < 10_000 {
        drop(script::run(text));
    }
});
