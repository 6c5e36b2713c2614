use expect_test::expect;

use super::*;

fn chart(values: &[f64]) -> Chart {
    let at = |index: usize| Timestamp::from_millis(i64::try_from(index).unwrap_or(0) * 15_000);
    Chart {
        title: "a & b".to_owned(),
        start: at(0),
        end: at(40),
        gap: Duration::from_millis(22_500),
        threshold: None,
        lines: vec![Line {
            name: "job=<api>".to_owned(),
            alerts: true,
            points: values
                .iter()
                .enumerate()
                .map(|(i, v)| (at(i), *v))
                .collect(),
        }],
        left_out: 0,
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

/// The path of the one line, and the labels of the values.
#[track_caller]
fn check(values: &[f64], expected: &expect_test::Expect) {
    let svg = chart(values).svg();
    let between = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split_once(to)?.0.to_owned())
    };
    let path = between(&svg, "<path class=\"s0\" d=\"", "\"><title>");
    let parts = svg.split("<text class=\"level\"").skip(1);
    let labels: Vec<_> = parts.filter_map(|part| between(part, ">", "<")).collect();
    expected.assert_eq(&format!(
        "{} | {}",
        path.unwrap_or_default(),
        labels.join(" ")
    ));
    for bad in ["NaN", "inf", "<api>", "a & b"] {
        assert!(!svg.contains(bad), "{bad}: {svg}");
    }
}

#[test]
fn any_values_are_a_plot() {
    check(&[], &expect![" | 0 0.5 1 1.5"]);
    check(&[f64::NAN, f64::INFINITY], &expect![" | 0 0.5 1 1.5"]);
    check(&[7.0], &expect!["M0.0 88.0h0 | 6 6.5 7 7.5 8"]);
    check(
        &[1.0, 3.0, f64::NAN, 2.0],
        &expect!["M0.0 132.0L25.0 44.0M75.0 88.0h0 | 0 1 2 3 4"],
    );
    check(&[0.0, 0.0], &expect!["M0.0 176.0L25.0 176.0 | 0 0.5 1 1.5"]);
    check(
        &[-1e308, 1e308],
        &expect!["M0.0 176.0L25.0 0.0 | −1.00e300 −5.00e299 0 5.00e299 1.00e300 1.50e300"],
    );
    check(
        &[1e-9, 3e-9],
        &expect!["M0.0 132.0L25.0 44.0 | 0 1.00e-9 2.00e-9 3.00e-9 4.00e-9"],
    );
    check(
        &[5e-324, 1e-323],
        &expect!["M0.0 176.0L25.0 176.0 | 0 0.5 1 1.5"],
    );
    check(
        &[-5.0, -4.0],
        &expect!["M0.0 176.0L25.0 58.7 | −5 −4.5 −4 −3.5"],
    );
    check(
        &[1e15, 1e15 + 1.0],
        &expect!["M0.0 88.0L25.0 88.0 | 850 T 900 T 950 T 1 P 1.05 P 1.1 P 1.15 P"],
    );
}

#[test]
fn a_long_line_is_as_wide_as_a_screen() {
    let values: Vec<f64> = (0..100_000).map(|i| f64::from(i % 97)).collect();
    let mut long = chart(&values);
    long.end = Timestamp::from_millis(15_000 * 100_000);
    assert!(long.svg().len() < 80_000, "{}", long.svg().len());
}
