//! How experts take an object, 4 cm wide, and carry it.

use super::hand::TIP;
use super::{View, approach};

/// Openings of fingers that hold it.
const HELD: (f32, f32) = (0.45, 0.56);
/// Where the hand should be from something heavy, m: what is held lags behind and the fingers give
/// way, of which the left one closes by 3 cm only.
pub(super) const HEAVY: f32 = -0.01;

/// Takes hold of the object from above, the hand at `x` and `y`. True once it does; then the action is
/// the caller's.
pub(super) fn take(view: &View, action: &mut [f32], [x, y]: [f32; 2]) -> bool {
    let hand = view.hand;
    let z = view.object[2] + TIP - 0.01; // tips 1 cm below its middle
    let off = (hand[0] - x).hypot(hand[1] - y);
    let above = hand[2] - z;
    let (to, grip) = if off > 0.03 && above < 0.05 {
        ([hand[0], hand[1], z + 0.1], -1.0)
    } else if off > 0.03 || (off > 0.01 && above > 0.03) {
        ([x, y, z + 0.06], -1.0)
    } else if above > 0.01 {
        ([x, y, z], -1.0)
    } else if view.opening > HELD.1 {
        // Rising a bit: fingers that press down on it would jam.
        ([x, y, z + 0.003], 1.0)
    } else if view.opening < HELD.0 {
        ([x, y, z + 0.1], -1.0)
    } else {
        return true;
    };
    approach(action, hand, to, grip);
    false
}

/// Takes an object that is held to `to`, at this share of the full speed at most.
pub(super) fn carry(view: &View, action: &mut [f32], to: [f32; 3], speed: f32) {
    for i in 0..3 {
        action[i] = (10.0 * (to[i] - view.object[i])).clamp(-speed, speed);
    }
    action[3] = 1.0;
}

/// Lets go, and rises once the fingers are apart.
pub(super) fn release(view: &View, action: &mut [f32]) {
    let rise = if view.opening > 0.8 && view.hand[2] < 0.25 {
        1.0
    } else {
        0.0
    };
    action.copy_from_slice(&[0.0, 0.0, rise, -1.0]);
}
