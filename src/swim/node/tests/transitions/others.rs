//! What we hold of another member, by what we hear of it.

use super::*;

/// Lives and incarnations around 2.1/5: earlier and later ones of each kind.
const MOMENTS: [&str; 7] = [
    "1.0/9", "2.0/9", "2.1/4", "2.1/5", "2.1/6", "2.2/0", "3.0/0",
];
const LIVES: [&str; 5] = ["1.0", "2.0", "2.1", "2.2", "3.0"];

/// heard | held then | told | passed on
const UNKNOWN: &str = "
alive 1.0/9              | alive 1.0/9   | join              | alive 1.0/9
alive 2.0/9              | alive 2.0/9   | join              | alive 2.0/9
alive 2.1/4              | alive 2.1/4   | join              | alive 2.1/4
# AliveNode_NewNode.
alive 2.1/5              | alive 2.1/5   | join              | alive 2.1/5
alive 2.1/6              | alive 2.1/6   | join              | alive 2.1/6
alive 2.2/0              | alive 2.2/0   | join              | alive 2.2/0
alive 3.0/0              | alive 3.0/0   | join              | alive 3.0/0
# SuspectNode_NoNode: who was never introduced cannot be accused.
suspect 1.0/9            | -             | -                 | -
suspect 2.0/9            | -             | -                 | -
suspect 2.1/4            | -             | -                 | -
suspect 2.1/5            | -             | -                 | -
suspect 2.1/6            | -             | -                 | -
suspect 2.2/0            | -             | -                 | -
suspect 3.0/0            | -             | -                 | -
# DeadNode_NoNode.
failed 1.0/9             | -             | -                 | -
failed 2.0/9             | -             | -                 | -
failed 2.1/4             | -             | -                 | -
failed 2.1/5             | -             | -                 | -
failed 2.1/6             | -             | -                 | -
failed 2.2/0             | -             | -                 | -
failed 3.0/0             | -             | -                 | -
left 1.0                 | -             | -                 | -
left 2.0                 | -             | -                 | -
left 2.1                 | -             | -                 | -
left 2.2                 | -             | -                 | -
left 3.0                 | -             | -                 | -
removed 1.0              | -             | -                 | -
removed 2.0              | -             | -                 | -
removed 2.1              | -             | -                 | -
removed 2.2              | -             | -                 | -
removed 3.0              | -             | -                 | -
# A stranger is asked to come to our stream port; its packet introduces nobody.
word 2.0/9               | -             | -                 | -
word 2.1/4               | -             | -                 | -
word 2.1/5               | -             | -                 | -
word 2.1/6               | -             | -                 | -
word 2.2/0               | -             | -                 | -
suspect 2.1/5 by p1      | -             | -                 | -
suspect 2.1/5 by p2      | -             | -                 | -
alive 2.1/5 elsewhere    | alive 2.1/5   | join              | alive 2.1/5
alive 3.0/0 elsewhere    | alive 3.0/0   | join              | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | join, suspect     | suspect 3.0/0 by p1
# A newcomer learns of members that failed before it came.
known 3.0, failed 3.0/0  | failed 3.0/0  | failed            | failed 3.0/0
known 3.0, left 3.0      | left 3.0/0    | left              | left 3.0
known 3.0                | -             | -                 | -
# MergeState. Without a card there is nobody to hold suspect or failed.
exchange alive 2.1/5     | alive 2.1/5   | join              | alive 2.1/5
exchange alive 2.1/6     | alive 2.1/6   | join              | alive 2.1/6
exchange suspect 2.1/5   | -             | -                 | -
exchange failed 2.1/4    | -             | -                 | -
exchange failed 2.1/5    | -             | -                 | -
exchange left 2.1        | -             | -                 | -
# It keeps in mind who was removed, and nobody hears of it.
exchange removed 2.1     | -             | -                 | removed 2.1
";

/// heard | held then | told | passed on
const ALIVE: &str = "
alive 1.0/9              | alive 2.1/5   | -                        | -
alive 2.0/9              | alive 2.1/5   | -                        | -
alive 2.1/4              | alive 2.1/5   | -                        | -
# AliveNode_Idempotent.
alive 2.1/5              | alive 2.1/5   | -                        | -
alive 2.1/6              | alive 2.1/6   | update                   | alive 2.1/6
alive 2.2/0              | alive 2.2/0   | update                   | alive 2.2/0
# AliveNode_ChangeMeta: a card belongs to a generation, so that new tags are a restart.
alive 3.0/0              | alive 3.0/0   | restart                  | alive 3.0/0
suspect 1.0/9            | alive 2.1/5   | -                        | -
suspect 2.0/9            | alive 2.1/5   | -                        | -
# SuspectNode_OldSuspect.
suspect 2.1/4            | alive 2.1/5   | -                        | -
# SuspectNode.
suspect 2.1/5            | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p1
suspect 2.1/6            | suspect 2.1/6 | suspect                  | suspect 2.1/6 by p1
suspect 2.2/0            | suspect 2.2/0 | suspect                  | suspect 2.2/0 by p1
# Nobody has introduced that generation.
suspect 3.0/0            | alive 2.1/5   | -                        | -
failed 1.0/9             | alive 2.1/5   | -                        | -
failed 2.0/9             | alive 2.1/5   | -                        | -
# DeadNode_OldDead.
failed 2.1/4             | alive 2.1/5   | -                        | -
# DeadNode, which ends otherwise there: whoever hears nobody fails everybody. A failure that
# others saw, too, was an accusation before, so one that comes first is no more than that.
failed 2.1/5             | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p1
failed 2.1/6             | suspect 2.1/6 | suspect                  | suspect 2.1/6 by p1
failed 2.2/0             | suspect 2.2/0 | suspect                  | suspect 2.2/0 by p1
failed 3.0/0             | alive 2.1/5   | -                        | -
left 1.0                 | alive 2.1/5   | -                        | -
left 2.0                 | alive 2.1/5   | -                        | -
# DeadNodeLeft: a goodbye is the member's own word and needs no accusation.
left 2.1                 | left 2.1/5    | left                     | left 2.1
left 2.2                 | left 2.2/0    | left                     | left 2.2
left 3.0                 | alive 2.1/5   | -                        | -
removed 1.0              | alive 2.1/5   | -                        | -
removed 2.0              | alive 2.1/5   | -                        | -
# An operator's word needs none either, and may name a life of which we have no card.
removed 2.1              | -             | suspect, failed, removed | removed 2.1
removed 2.2              | -             | suspect, failed, removed | removed 2.2
removed 3.0              | -             | suspect, failed, removed | removed 3.0
# It goes on in a life that it has outlived, as after a lost renewal: it must move on.
word 2.0/9               | alive 2.1/5   | -                        | turn undead
word 2.1/4               | alive 2.1/5   | -                        | -
word 2.1/5               | alive 2.1/5   | -                        | -
word 2.1/6               | alive 2.1/6   | update                   | alive 2.1/6
word 2.2/0               | alive 2.2/0   | update                   | alive 2.2/0
suspect 2.1/5 by p1      | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p1
suspect 2.1/5 by p2      | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p2
# AliveNode_Conflict: the first one stays, and both are told of each other.
alive 2.1/5 elsewhere    | alive 2.1/5   | -                        | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | restart                  | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | restart, suspect         | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | restart, suspect         | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | left                     | left 3.0
known 3.0                | alive 2.1/5   | -                        | -
exchange alive 2.1/5     | alive 2.1/5   | -                        | -
exchange alive 2.1/6     | alive 2.1/6   | update                   | alive 2.1/6
exchange suspect 2.1/5   | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p1
exchange failed 2.1/4    | alive 2.1/5   | -                        | -
# MergeState: what another holds failed is accused, and may refute it.
exchange failed 2.1/5    | suspect 2.1/5 | suspect                  | suspect 2.1/5 by p5, challenge
exchange left 2.1        | left 2.1/5    | left                     | left 2.1
exchange removed 2.1     | -             | suspect, failed, removed | removed 2.1
";

/// heard | held then | told | passed on
const SUSPECT: &str = "
alive 1.0/9              | suspect 2.1/5 | -                | -
alive 2.0/9              | suspect 2.1/5 | -                | -
alive 2.1/4              | suspect 2.1/5 | -                | -
# AliveNode_SuspectNode: the same incarnation is no answer, a greater one is.
alive 2.1/5              | suspect 2.1/5 | -                | -
alive 2.1/6              | alive 2.1/6   | refuted          | alive 2.1/6
alive 2.2/0              | alive 2.2/0   | refuted          | alive 2.2/0
alive 3.0/0              | alive 3.0/0   | restart          | alive 3.0/0
suspect 1.0/9            | suspect 2.1/5 | -                | -
suspect 2.0/9            | suspect 2.1/5 | -                | -
suspect 2.1/4            | suspect 2.1/5 | -                | -
# SuspectNode_DoubleSuspect.
suspect 2.1/5            | suspect 2.1/5 | -                | -
# It must have refuted the first accusation, and stands accused again.
suspect 2.1/6            | suspect 2.1/6 | refuted, suspect | suspect 2.1/6 by p1
suspect 2.2/0            | suspect 2.2/0 | refuted, suspect | suspect 2.2/0 by p1
suspect 3.0/0            | suspect 2.1/5 | -                | -
failed 1.0/9             | suspect 2.1/5 | -                | -
failed 2.0/9             | suspect 2.1/5 | -                | -
failed 2.1/4             | suspect 2.1/5 | -                | -
# DeadNode.
failed 2.1/5             | failed 2.1/5  | failed           | failed 2.1/5
failed 2.1/6             | failed 2.1/6  | failed           | failed 2.1/6
# Nobody accused that life before.
failed 2.2/0             | suspect 2.2/0 | refuted, suspect | suspect 2.2/0 by p1
failed 3.0/0             | suspect 2.1/5 | -                | -
left 1.0                 | suspect 2.1/5 | -                | -
left 2.0                 | suspect 2.1/5 | -                | -
left 2.1                 | left 2.1/5    | left             | left 2.1
left 2.2                 | left 2.2/0    | left             | left 2.2
left 3.0                 | suspect 2.1/5 | -                | -
removed 1.0              | suspect 2.1/5 | -                | -
removed 2.0              | suspect 2.1/5 | -                | -
removed 2.1              | -             | failed, removed  | removed 2.1
removed 2.2              | -             | failed, removed  | removed 2.2
removed 3.0              | -             | failed, removed  | removed 3.0
word 2.0/9               | suspect 2.1/5 | -                | turn undead
word 2.1/4               | suspect 2.1/5 | -                | -
# Its packets show its incarnation: a greater one refutes, as SWIM §4.2 has it.
word 2.1/5               | suspect 2.1/5 | -                | -
word 2.1/6               | alive 2.1/6   | refuted          | alive 2.1/6
word 2.2/0               | alive 2.2/0   | refuted          | alive 2.2/0
# The accuser again, and then another one, who confirms (Lifeguard §IV-B).
suspect 2.1/5 by p1      | suspect 2.1/5 | -                | -
suspect 2.1/5 by p2      | suspect 2.1/5 | -                | suspect 2.1/5 by p2
alive 2.1/5 elsewhere    | suspect 2.1/5 | -                | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | restart          | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | restart, suspect | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | restart, suspect | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | left             | left 3.0
known 3.0                | suspect 2.1/5 | -                | -
exchange alive 2.1/5     | suspect 2.1/5 | -                | -
exchange alive 2.1/6     | alive 2.1/6   | refuted          | alive 2.1/6
exchange suspect 2.1/5   | suspect 2.1/5 | -                | -
exchange failed 2.1/4    | suspect 2.1/5 | -                | -
# Whoever holds it failed confirms.
exchange failed 2.1/5    | suspect 2.1/5 | -                | suspect 2.1/5 by p5, challenge
exchange left 2.1        | left 2.1/5    | left             | left 2.1
exchange removed 2.1     | -             | failed, removed  | removed 2.1
";

/// heard | held then | told | passed on
const FAILED: &str = "
alive 1.0/9              | failed 2.1/5  | -                 | -
alive 2.0/9              | failed 2.1/5  | -                 | -
alive 2.1/4              | failed 2.1/5  | -                 | -
# DeadNode_AliveReplay.
alive 2.1/5              | failed 2.1/5  | -                 | -
# A refutation brings it back there. Here a failure ends a life, and only a renewal returns:
# what came before the end may still be on its way.
alive 2.1/6              | failed 2.1/5  | -                 | -
alive 2.2/0              | alive 2.2/0   | join after failed | alive 2.2/0
alive 3.0/0              | alive 3.0/0   | join after failed | alive 3.0/0
suspect 1.0/9            | failed 2.1/5  | -                 | -
suspect 2.0/9            | failed 2.1/5  | -                 | -
suspect 2.1/4            | failed 2.1/5  | -                 | -
suspect 2.1/5            | failed 2.1/5  | -                 | -
suspect 2.1/6            | failed 2.1/5  | -                 | -
suspect 2.2/0            | suspect 2.2/0 | join after failed, suspect | suspect 2.2/0 by p1
suspect 3.0/0            | failed 2.1/5  | -                 | -
failed 1.0/9             | failed 2.1/5  | -                 | -
failed 2.0/9             | failed 2.1/5  | -                 | -
failed 2.1/4             | failed 2.1/5  | -                 | -
# DeadNode_Double.
failed 2.1/5             | failed 2.1/5  | -                 | -
failed 2.1/6             | failed 2.1/5  | -                 | -
# It was back and failed again; of its return we hear now, and take the failure for an
# accusation as any first one.
failed 2.2/0             | suspect 2.2/0 | join after failed, suspect | suspect 2.2/0 by p1
failed 3.0/0             | failed 2.1/5  | -                 | -
left 1.0                 | failed 2.1/5  | -                 | -
left 2.0                 | failed 2.1/5  | -                 | -
# Its own word wins over what others saw. foca gossips nothing new of what is down: exchanges do.
left 2.1                 | left 2.1/5    | left              | -
left 2.2                 | left 2.2/0    | left              | left 2.2
left 3.0                 | failed 2.1/5  | -                 | -
removed 1.0              | failed 2.1/5  | -                 | -
removed 2.0              | failed 2.1/5  | -                 | -
removed 2.1              | -             | removed           | -
removed 2.2              | -             | removed           | removed 2.2
removed 3.0              | -             | removed           | removed 3.0
word 2.0/9               | failed 2.1/5  | -                 | turn undead
# It must move on to another life.
word 2.1/4               | failed 2.1/5  | -                 | turn undead
word 2.1/5               | failed 2.1/5  | -                 | turn undead
word 2.1/6               | failed 2.1/5  | -                 | turn undead
word 2.2/0               | alive 2.2/0   | join after failed | alive 2.2/0
suspect 2.1/5 by p1      | failed 2.1/5  | -                 | -
suspect 2.1/5 by p2      | failed 2.1/5  | -                 | -
# AliveNode_Conflict lets a dead name be reclaimed after a while: here only by a new generation.
alive 2.1/5 elsewhere    | failed 2.1/5  | -                 | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | join after failed | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | join after failed, suspect | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | join after failed, suspect | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | left              | left 3.0
known 3.0                | failed 2.1/5  | -                 | -
exchange alive 2.1/5     | failed 2.1/5  | -                 | challenge
exchange alive 2.1/6     | failed 2.1/5  | -                 | challenge
exchange suspect 2.1/5   | failed 2.1/5  | -                 | -
exchange failed 2.1/4    | failed 2.1/5  | -                 | -
exchange failed 2.1/5    | failed 2.1/5  | -                 | -
exchange left 2.1        | left 2.1/5    | left              | -
exchange removed 2.1     | -             | removed           | -
";

/// heard | held then | told | passed on
const LEFT: &str = "
alive 1.0/9              | left 2.1/5    | -                 | -
alive 2.0/9              | left 2.1/5    | -                 | -
alive 2.1/4              | left 2.1/5    | -                 | -
alive 2.1/5              | left 2.1/5    | -                 | -
alive 2.1/6              | left 2.1/5    | -                 | -
# DeadNodeLeft: it is back.
alive 2.2/0              | alive 2.2/0   | join after left   | alive 2.2/0
alive 3.0/0              | alive 3.0/0   | join after left   | alive 3.0/0
suspect 1.0/9            | left 2.1/5    | -                 | -
suspect 2.0/9            | left 2.1/5    | -                 | -
suspect 2.1/4            | left 2.1/5    | -                 | -
suspect 2.1/5            | left 2.1/5    | -                 | -
suspect 2.1/6            | left 2.1/5    | -                 | -
suspect 2.2/0            | suspect 2.2/0 | join after left, suspect | suspect 2.2/0 by p1
suspect 3.0/0            | left 2.1/5    | -                 | -
failed 1.0/9             | left 2.1/5    | -                 | -
failed 2.0/9             | left 2.1/5    | -                 | -
failed 2.1/4             | left 2.1/5    | -                 | -
# DeadNodeLeft: no later rumour undoes a goodbye.
failed 2.1/5             | left 2.1/5    | -                 | -
failed 2.1/6             | left 2.1/5    | -                 | -
failed 2.2/0             | suspect 2.2/0 | join after left, suspect | suspect 2.2/0 by p1
failed 3.0/0             | left 2.1/5    | -                 | -
left 1.0                 | left 2.1/5    | -                 | -
left 2.0                 | left 2.1/5    | -                 | -
left 2.1                 | left 2.1/5    | -                 | -
left 2.2                 | left 2.2/0    | update            | left 2.2
left 3.0                 | left 2.1/5    | -                 | -
removed 1.0              | left 2.1/5    | -                 | -
removed 2.0              | left 2.1/5    | -                 | -
removed 2.1              | -             | removed           | -
removed 2.2              | -             | removed           | removed 2.2
removed 3.0              | -             | removed           | removed 3.0
word 2.0/9               | left 2.1/5    | -                 | challenge
word 2.1/4               | left 2.1/5    | -                 | challenge
# Who left does not go on: another process has its name and life, and must take a generation.
word 2.1/5               | left 2.1/5    | -                 | challenge
word 2.1/6               | left 2.1/5    | -                 | challenge
word 2.2/0               | alive 2.2/0   | join after left   | alive 2.2/0
suspect 2.1/5 by p1      | left 2.1/5    | -                 | -
suspect 2.1/5 by p2      | left 2.1/5    | -                 | -
alive 2.1/5 elsewhere    | left 2.1/5    | -                 | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | join after left   | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | join after left, suspect | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | join after left, suspect | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | update            | left 3.0
known 3.0                | left 2.1/5    | -                 | -
exchange alive 2.1/5     | left 2.1/5    | -                 | challenge
exchange alive 2.1/6     | left 2.1/5    | -                 | challenge
exchange suspect 2.1/5   | left 2.1/5    | -                 | -
exchange failed 2.1/4    | left 2.1/5    | -                 | -
exchange failed 2.1/5    | left 2.1/5    | -                 | -
exchange left 2.1        | left 2.1/5    | -                 | -
exchange removed 2.1     | -             | removed           | -
";

/// heard | held then | told | passed on
const REMOVED: &str = "
alive 1.0/9              | -             | -                 | -
alive 2.0/9              | -             | -                 | -
alive 2.1/4              | -             | -                 | -
alive 2.1/5              | -             | -                 | -
alive 2.1/6              | -             | -                 | -
# The life after is the one that removed it.
alive 2.2/0              | -             | -                 | -
# A new process is nobody's corpse.
alive 3.0/0              | alive 3.0/0   | join              | alive 3.0/0
suspect 1.0/9            | -             | -                 | -
suspect 2.0/9            | -             | -                 | -
suspect 2.1/4            | -             | -                 | -
suspect 2.1/5            | -             | -                 | -
suspect 2.1/6            | -             | -                 | -
suspect 2.2/0            | -             | -                 | -
suspect 3.0/0            | -             | -                 | -
failed 1.0/9             | -             | -                 | -
failed 2.0/9             | -             | -                 | -
failed 2.1/4             | -             | -                 | -
failed 2.1/5             | -             | -                 | -
failed 2.1/6             | -             | -                 | -
failed 2.2/0             | -             | -                 | -
failed 3.0/0             | -             | -                 | -
left 1.0                 | -             | -                 | -
left 2.0                 | -             | -                 | -
left 2.1                 | -             | -                 | -
left 2.2                 | -             | -                 | -
left 3.0                 | -             | -                 | -
removed 1.0              | -             | -                 | -
removed 2.0              | -             | -                 | -
removed 2.1              | -             | -                 | -
removed 2.2              | -             | -                 | -
removed 3.0              | -             | -                 | removed 3.0
word 2.0/9               | -             | -                 | turn undead
word 2.1/4               | -             | -                 | turn undead
word 2.1/5               | -             | -                 | turn undead
word 2.1/6               | -             | -                 | turn undead
word 2.2/0               | -             | -                 | turn undead
suspect 2.1/5 by p1      | -             | -                 | -
suspect 2.1/5 by p2      | -             | -                 | -
alive 2.1/5 elsewhere    | -             | -                 | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | join              | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | join, suspect     | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | join, suspect     | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | left              | left 3.0
known 3.0                | -             | -                 | -
exchange alive 2.1/5     | -             | -                 | challenge
exchange alive 2.1/6     | -             | -                 | challenge
exchange suspect 2.1/5   | -             | -                 | -
exchange failed 2.1/4    | -             | -                 | -
exchange failed 2.1/5    | -             | -                 | -
exchange left 2.1        | -             | -                 | -
exchange removed 2.1     | -             | -                 | -
";

const TABLES: [(&str, &str); 6] = [
    ("unknown", UNKNOWN),
    ("alive 2.1/5", ALIVE),
    ("suspect 2.1/5", SUSPECT),
    ("failed 2.1/5", FAILED),
    ("left 2.1/5", LEFT),
    ("removed 2.1/5", REMOVED),
];

#[test]
fn every_way_to_hold_a_member_is_reached() {
    for (held, _) in TABLES {
        let shown = Stage::holding(held).shown();
        let is_listed = !matches!(held.split(' ').next(), Some("unknown" | "removed"));
        assert_eq!(shown, if is_listed { held } else { "-" });
    }
}

#[test]
fn every_claim_about_another_member_ends_as_the_table_says() {
    check(&TABLES);
}

#[test]
fn every_claim_about_another_member_is_in_every_table_once() {
    let timed = ["alive", "suspect", "failed"].map(|kind| MOMENTS.map(|at| format!("{kind} {at}")));
    let ended = ["left", "removed"].map(|kind| LIVES.map(|at| format!("{kind} {at}")));
    for (held, table) in TABLES {
        let rows = rows(table);
        for claim in timed.iter().flatten().chain(ended.iter().flatten()) {
            let found = rows.iter().filter(|row| row[0] == claim).count();
            assert_eq!(found, 1, "{held}: {claim}");
        }
    }
}
