//! Losses of whole batches, of rows and of masks, on the command line and from files.

use detloss::losses;

use crate::{assert_near, complaint, detloss, detloss_with, json};

#[test]
fn many_elements_are_one_set() {
    let answer = json("eval ap --pred=-2,2 --target 1,0");
    assert_near(&answer["value"], 0.5);
    assert_near(&answer["grad"][0], -0.5);
    assert_eq!(answer["fields"], serde_json::json!(["logit0", "logit1"]));
    insta::assert_snapshot!(detloss("eval rmse --pred 1,2,3 --target 1,2,5").out, @r"
    RMSE
    value      1.1547005383792515
    d/dvalue0  0
    d/dvalue1  0
    d/dvalue2  -0.5773502691896258
    ");
}

#[test]
fn fields_are_interleaved_and_parts_are_shown() {
    let answer = json("eval alrp --pred 2,.5,-.3,.2 --target 1,0");
    assert_eq!(answer["fields"], serde_json::json!(["logit0", "error0", "logit1", "error1"]));
    assert_near(&answer["components"]["regression"], 0.5);
    assert_near(&answer["grad"][1], 1.0);
    assert!(detloss("eval alrp --pred 2,.5,-.3,.2 --target 1,0").out.contains("\n  regression"));
}

#[test]
fn rows_with_a_class_each_are_one_set() {
    let classes = json("eval lovasz_softmax --pred 2,0,1,0,1,3 --class 0,2");
    let targets = json("eval lovasz_softmax --pred 2,0,1,0,1,3 --target 0,2 --columns 3");
    assert_eq!((&classes["value"], &classes["grad"]), (&targets["value"], &targets["grad"]));
    assert_eq!(classes["fields"][4], "logit1.1");
    let file = detloss_with("eval lovasz_softmax --file - --reduction sum", "2,0,1,0\n0,1,3,2\n");
    assert_near(&classes["value"], file.out.trim().parse().unwrap());
}

#[test]
fn rows_may_aim_at_labels_logits_and_positions() {
    let mask = json("eval dice --pred 2,.5,-.3 --target 1,1,0");
    let file = detloss_with("eval dice --file - --reduction sum", "2,.5,-.3,1,1,0\n");
    assert_near(&mask["value"], file.out.trim().parse().unwrap());
    let teacher = json("eval softmax_kl --pred 1,2 --target 1,2");
    assert_near(&teacher["value"], 0.0);
    let position = json("eval distribution_focal --pred 0,0,0 --target 0.5");
    assert_near(&position["value"], 3.0_f64.ln());
    let file = detloss_with("eval distribution_focal --file -", "0,0,0,0.5\n");
    assert!(
        file.out.starts_with("value,grad_logit0,grad_logit1,grad_logit2\n1.0986"),
        "{}",
        file.out
    );
}

#[test]
fn groups_have_a_value_each_on_every_line_of_theirs() {
    let lines = "value,target,image\n1,2,7\n3,4,-1\n5,8,7\n";
    insta::assert_snapshot!(detloss_with("eval rmse --file - --groups", lines).out, @r"
    group,value,grad_value
    7,2.23606797749979,-0.22360679774997896
    -1,1,-1
    7,2.23606797749979,-0.6708203932499369
    ");
    insta::assert_snapshot!(detloss_with("eval rmse --file - --groups --json", lines).out, @r#"
    {"group":7,"value":2.23606797749979,"grad":[-0.22360679774997896]}
    {"group":-1,"value":1.0,"grad":[-1.0]}
    {"group":7,"value":2.23606797749979,"grad":[-0.6708203932499369]}
    "#);
    let mean = detloss_with("eval rmse --file - --groups --reduction mean", lines).out;
    assert_eq!(mean, "1.618033988749895\n");
    let alone = detloss_with("eval rmse --file - --weights", "1,2,1\n9,0,0\n");
    assert_eq!(alone.out, "value,grad_value\n1,-1\n1,0\n");
    assert_eq!(detloss_with("eval rmse --file -", "").out, "value,grad_value\n");
}

#[test]
fn wrong_calls_name_the_remedy() {
    for (args, words) in [
        (
            "eval rmse --pred 1,2,3 --target 1,2",
            "--target has 2 numbers instead of 3: give value, for each prediction",
        ),
        ("eval alrp --pred 1,2,3 --target 1,2", "no multiple of 2: give logit,error"),
        ("eval rmse --pred 1,2,3 --class 1", "rmse takes no class: give --target value"),
        ("eval bce --pred 1 --target 1 --columns 2", "leave out --columns"),
        ("eval l1 --file - --groups", "l1 is of every line by itself: leave out --groups"),
        ("eval softmax_ce --pred 1,2,3 --class 1,2", "give one class, or rows in a --file"),
        ("eval lovasz_softmax --pred 1,2,3 --class 1,2", "do not make 2 rows"),
        (
            "eval lovasz_softmax --pred 1,2,3,4 --class 1 --columns 2",
            "--class has 1 numbers instead of 2",
        ),
        ("eval lovasz_softmax --pred 1,2 --target 5", "give the index of a class"),
        (
            "eval dice --pred 1,2 --target 1",
            "--target has 1 numbers instead of 2: give a label per logit",
        ),
        ("curves softmax_kl", "softmax_kl has no curve"),
        ("curves ap bce", "bce does not lie over the logit of a positive above that of a negative"),
    ] {
        let said = complaint(args);
        assert!(said.starts_with("error: ") && said.contains(words), "{args}: {said}");
    }
    for (args, input, code, words) in [
        ("eval rmse --file - --groups", "1,2,0.5\n", 1, r#"column 3 (group): "0.5" is no group"#),
        ("eval rmse --file -", "1,2,0\n", 1, "or add --weights or --groups"),
        ("eval rmse --file - --weights", "1,2,.5\n", 2, "give 0 or 1"),
        ("eval dice --file -", "1,2,3\n", 1, "has 3 fields instead of 2"),
    ] {
        let seen = detloss_with(args, input);
        assert_eq!((seen.code, &*seen.out), (code, ""), "{args}");
        assert!(seen.err.contains(words), "{args}: {}", seen.err);
    }
}

#[test]
fn pages_say_what_a_value_is_of() {
    for entry in losses::ALL {
        let page = detloss(&format!("explain {}", entry.name)).out;
        assert!(page.contains("\n  values      one "), "{page}");
        let parts = entry.signature.components;
        assert_eq!(page.contains("\n  sum of      "), !parts.is_empty(), "{page}");
    }
    assert!(detloss("explain alrp").out.contains("state       4 numbers from batch to batch"));
}

#[test]
fn curves_of_pairs_classes_and_masks_follow_their_formulas() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |losses: &str| json(&format!("curves {losses} --out {}", folder.path().display()));
    let pair = draw("ap alrp");
    assert_eq!(pair["axis"], "logit of a positive above that of a negative");
    // One positive far above the negative: nothing is wrong.
    assert_near(&pair["curves"][0]["points"][600]["value"], 0.0);
    assert_near(&pair["curves"][0]["points"][0]["value"], 0.5);
    // Of two classes, the softmax of a margin is the sigmoid.
    let classes = draw("bce softmax_ce");
    let value = |curve: usize| classes["curves"][curve]["points"][100]["value"].as_f64().unwrap();
    assert_near(&classes["curves"][1]["points"][100]["value"], value(0));
    // Half object, half background, each with probability ½: 2 · ½ / (1 + 1) of the mask is right.
    let masks = draw("dice --range 0.25,0.75");
    assert_near(&masks["curves"][0]["points"][300]["value"], 0.5);
}
