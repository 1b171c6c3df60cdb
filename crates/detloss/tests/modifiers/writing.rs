//! Modified losses as text, and what is refused.

use detloss::losses::{self, AnyLoss};
use detloss::testing::modified;

use crate::{boxes, loss};

#[test]
fn a_modified_loss_is_what_is_written_of_it() {
    for entry in boxes() {
        for loss in modified(entry) {
            let written = loss.to_string();
            let read: AnyLoss = written.parse().unwrap();
            assert_eq!(read, loss, "{written}");
            assert_eq!(read.to_string(), written);
            assert_ne!(read, entry.make());
        }
    }
}

#[test]
fn modifiers_are_written_in_one_order_whatever_the_order_they_are_read_in() {
    let all = "inner(focaler(alpha(wise(focal(ciou(gate=0.5))))), ratio=0.8)";
    let shuffled = "focal(inner(alpha(focaler(wise(ciou(gate=0.5)), d=0, u=0.95), alpha=3), ratio=0.8), gamma=0.5)";
    assert_eq!(loss(shuffled), loss(all));
    assert_eq!(loss(shuffled).to_string(), all);
    let spaced = " inner( ciou ( gate = 0.5 ) , ratio = 0.8 ) ";
    assert_eq!(loss(spaced).to_string(), "inner(ciou(gate=0.5), ratio=0.8)");
}

#[test]
fn a_name_that_is_a_loss_and_a_modifier_is_told_by_what_it_is_given() {
    assert_eq!(loss("focal(gamma=1)").entry().name, "focal");
    assert_eq!(loss("focal(giou, gamma=1)").entry().name, "giou");
    assert_eq!(loss("focal").entry().family, "scores");
}

#[test]
fn setting_a_parameter_keeps_the_modifiers() {
    let mut changed = loss("inner(ciou)");
    changed.set("gate", 0.5).unwrap();
    assert_eq!(changed, loss("inner(ciou(gate=0.5))"));
    assert_eq!(changed.modifiers(), loss("inner(giou)").modifiers());
}

#[test]
fn the_configuration_of_a_modified_loss_is_its_text() {
    let given: Vec<_> = loss("focaler(inner(iou), u=0.9)")
        .modifiers()
        .given()
        .map(|(modifier, values)| (modifier.name, values))
        .collect();
    assert_eq!(given, [("inner", vec![0.75]), ("focaler", vec![0.0, 0.9])]);
}

#[test]
fn what_does_not_fit_is_refused_with_the_remedy() {
    for (text, wanted) in [
        (
            "iner(ciou)",
            r#"no modifier of losses is called "iner": there are inner, focaler, alpha, wise, wise_v2, wise_v3, focal"#,
        ),
        ("inner(inner(ciou))", "inner stands twice around one loss: give it once"),
        ("inner(wise(inner(ciou, ratio=0.8)))", "inner stands twice around one loss: give it once"),
        ("inner(ciou, ratio=2)", "inner cannot have ratio = 2: give a number from 0.5 to 1.5"),
        ("inner(ciou, rate=1)", r#"inner has no parameter "rate": it has ratio"#),
        ("wise(ciou, rate=1)", r#"wise has no parameter "rate": it has none"#),
        (
            "focaler(ciou, d=0.95)",
            "focaler cannot have d = 0.95: give a number of at least 0.01 less than u, which is 0.95",
        ),
        (
            "focaler(ciou, d=0.5, u=0.4)",
            "focaler cannot have d = 0.5: give a number of at least 0.01 less than u, which is 0.4",
        ),
        (
            "inner(nwd)",
            "nwd cannot be modified by inner: its formula has no IoU; take a loss that has one, or alpha, wise, wise_v2, wise_v3, focal",
        ),
        (
            "alpha(l1)",
            "l1 cannot be modified by alpha: modifiers are for losses of two axis-aligned boxes",
        ),
        (
            "wise(focal)",
            "focal cannot be modified by wise: modifiers are for losses of two axis-aligned boxes",
        ),
        (
            "inner(dice)",
            "dice cannot be modified by inner: modifiers are for losses of two axis-aligned boxes",
        ),
        (
            "inner(ap)",
            "ap cannot be modified by inner: modifiers are for losses of two axis-aligned boxes",
        ),
        ("wise(wise_v3(ciou))", "wise stands twice around one loss: give it once"),
        ("wise_v3(wise_v2(ciou))", "wise stands twice around one loss: give it once"),
        (
            "wise_v3(wiou_v2)",
            "wiou_v2 cannot be modified by wise_v3: it has a running mean of its own; take a loss without state",
        ),
        ("inner(ciouu)", r#"no loss is called "ciouu": did you mean "ciou"?"#),
        ("inner(ciou(gate=2))", "ciou cannot have gate = 2: give a number from 0 to 1"),
    ] {
        assert_eq!(text.parse::<AnyLoss>().unwrap_err().to_string(), wanted);
    }
    for text in [
        "inner(ciou",
        "inner ciou)",
        "inner(ciou))",
        "inner(ciou)(",
        "inner",
        "inner()",
        "inner(ratio=0.8)",
        "ciou(giou)",
        "inner(ciou, ratio)",
        "inner(ciou, ratio=0.8, ratio=0.8)",
        "inner(ciou, giou)",
    ] {
        let error = text.parse::<AnyLoss>().unwrap_err().to_string();
        assert!(
            error.contains("inner(ciou, ratio=0.8)") || error.contains("no loss"),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_refused_modifier_changes_nothing() {
    let before = loss("inner(ciou)");
    let mut modifiers = *before.modifiers();
    for (name, params) in [
        ("inner", &[][..]),
        ("focaler", &[("d", 0.99)]),
        ("alpha", &[("beta", 1.0)]),
        ("none", &[]),
    ] {
        assert!(modifiers.add(name, params).is_err());
        assert_eq!(modifiers, *before.modifiers());
    }
}

#[test]
fn fields_beyond_their_range_are_refused() {
    use detloss::loss::modifiers::{Alpha, Modifiers};
    let modifiers = Modifiers { alpha: Some(Alpha { alpha: 0.0 }), ..Modifiers::default() };
    let error = losses::find("giou").unwrap().make().with_modifiers(modifiers).unwrap_err();
    assert_eq!(error.to_string(), "alpha cannot have alpha = 0: give a number from 0.1 to 10");
}
