//! What we answer to what is said of ourselves.

use super::stage::ME;
use super::*;

/// What we are in before we hear it: a failure of 3.0 was outlived, an accusation refuted.
const HELD: &str = "alive 3.1/5";

/// heard | what we are then | told | said
const TABLE: &str = "
# AliveNode_Refute answers any rumour that differs with a greater incarnation. Ours answers
# those only that others would believe. A life that is over is none of them.
alive 2.0/9           | alive 3.1/5 | -      | -
alive 3.0/9           | alive 3.1/5 | -      | -
alive 3.1/4           | alive 3.1/5 | -      | -
alive 3.1/5           | alive 3.1/5 | -      | -
# We were never there: an earlier process was, and it takes a new generation to outlive it.
alive 3.1/6           | alive 4.0/0 | update | alive 4.0/0
alive 3.2/0           | alive 3.3/0 | update | alive 3.3/0
alive 4.0/0           | alive 5.0/0 | update | alive 5.0/0
suspect 2.0/9         | alive 3.1/5 | -      | -
suspect 3.0/9         | alive 3.1/5 | -      | -
# Refuted already: whoever believes it has yet to hear from us.
suspect 3.1/4         | alive 3.1/5 | -      | alive 3.1/5
# SuspectNode_Refute.
suspect 3.1/5         | alive 3.1/6 | update | word 3.1/6
suspect 3.1/6         | alive 3.1/7 | update | word 3.1/7
# A suspicion of a later life cannot be refuted in this one.
suspect 3.2/0         | alive 3.3/0 | update | alive 3.3/0
suspect 4.0/0         | alive 5.0/0 | update | alive 5.0/0
failed 2.0/9          | alive 3.1/5 | -      | -
failed 3.0/9          | alive 3.1/5 | -      | -
# DeadNode_Refute: a failure ends a life, in whatever incarnation, and we go on in the next.
failed 3.1/4          | alive 3.2/0 | update | alive 3.2/0
failed 3.1/5          | alive 3.2/0 | update | alive 3.2/0
failed 3.1/6          | alive 3.2/0 | update | alive 3.2/0
failed 3.2/0          | alive 3.3/0 | update | alive 3.3/0
failed 4.0/0          | alive 5.0/0 | update | alive 5.0/0
left 2.0              | alive 3.1/5 | -      | -
left 3.0              | alive 3.1/5 | -      | -
# Somebody said goodbye in our name: its end belongs to the generation.
left 3.1              | alive 4.0/0 | update | alive 4.0/0
left 3.2              | alive 4.0/0 | update | alive 4.0/0
left 4.0              | alive 5.0/0 | update | alive 5.0/0
removed 2.0           | alive 3.1/5 | -      | -
removed 3.0           | alive 3.1/5 | -      | -
# An operator removed us while we live.
removed 3.1           | alive 3.2/0 | update | alive 3.2/0
removed 3.2           | alive 3.3/0 | update | alive 3.3/0
removed 4.0           | alive 5.0/0 | update | alive 5.0/0
# No claim.
known 3.1             | alive 3.1/5 | -      | -
known 4.0             | alive 3.1/5 | -      | -
# AliveNode_Conflict: the other one is asked whether it lives.
alive 3.0/9 elsewhere | alive 3.1/5 | -      | challenge
alive 3.1/5 elsewhere | alive 3.1/5 | -      | challenge
alive 4.0/0 elsewhere | alive 3.1/5 | -      | challenge
";

fn ourselves(heard: &str) -> [String; 3] {
    let mut stage = Stage::new();
    for earlier in ["failed 3.0/0", "suspect 3.1/4"] {
        stage.gossip(&[claim(ME, earlier)]);
    }
    let own = |stage: &Stage| member_word(&stage.me.member(ME).unwrap());
    assert_eq!(own(&stage), HELD);
    let outcome = stage.gossip(&[claim(ME, heard)]);
    let word = outcome
        .shown
        .map(|(life, incarnation)| format!("word {life:?}/{incarnation}"));
    let said = match outcome.claims.is_empty() {
        true => word.unwrap_or_else(|| outcome.passed_on()),
        false => outcome.passed_on(),
    };
    [own(&stage), outcome.told(), said]
}

#[test]
fn every_claim_about_ourselves_is_answered_as_the_table_says() {
    let surprises = surprises(TABLE, ourselves);
    assert!(surprises.is_empty(), "\n{}", surprises.join("\n"));
}
