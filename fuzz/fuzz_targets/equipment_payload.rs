//! Any bytes as an equipment document: reading never panics, and what can be read is valued in every view without
//! a panic, as valid JSON, with no number that is not one and no total below zero.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use maple_expectation::answer::renderer::Renderer;
use maple_expectation::expectation::view::View;
use maple_expectation::payload::Document;
use serde_json::Value;
use valuation::rules::DEFAULT;
use valuation::rules::Ruleset;

thread_local! {
    static RENDERER: RefCell<Renderer> = RefCell::new(Renderer::new(Arc::new(
        Ruleset::built_in(DEFAULT).expect("the default ruleset is built in"),
    )));
}

fuzz_target!(|bytes: &[u8]| {
    let readable = Document::parse(bytes).is_ok();
    RENDERER.with_borrow_mut(|renderer| {
        for view in [View::Expectation, View::Preset(2), View::Preset(View::NO_PRESET), View::Valuation, View::Totals] {
            let made = renderer.document(view, ("이름", "id"), bytes, 0);
            assert_eq!(made.is_ok(), readable, "{view:?}");
            if let Ok((json, _)) = made {
                let document: Value = serde_json::from_slice(&json).expect("valid JSON");
                check(&document);
            }
        }
    });
});

/// Every cost is a whole number from 0, and a preset's total is the sum of its parts but for their rounding.
fn check(document: &Value) {
    for preset in document["presets"].as_array().into_iter().flatten() {
        let parts = &preset["costBreakdown"];
        let sum: f64 = ["blackCubeCost", "additionalCubeCost", "starforceCost"]
            .iter()
            .map(|part| parts[part].as_u64().expect("whole") as f64)
            .sum();
        let total = preset["totalExpectedCost"].as_u64().expect("whole") as f64;
        assert!((total - sum).abs() <= 2.0 + sum * 1e-12, "{total} {sum}");
    }
}
