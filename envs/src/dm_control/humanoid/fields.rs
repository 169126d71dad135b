//! The 67 numbers of dm_control's humanoid observation.

use crate::Field;

macro_rules! observation {
    ($($hinge:ident)*) => {
        pub(super) const FIELDS: &[Field] = &[
            $(Field::unbounded(concat!(stringify!($hinge), "_angle"), "rad"),)*
            Field::unbounded("head_z", "m"),
            // In the torso's frame.
            Field::unbounded("left_hand_x", "m"),
            Field::unbounded("left_hand_y", "m"),
            Field::unbounded("left_hand_z", "m"),
            Field::unbounded("left_foot_x", "m"),
            Field::unbounded("left_foot_y", "m"),
            Field::unbounded("left_foot_z", "m"),
            Field::unbounded("right_hand_x", "m"),
            Field::unbounded("right_hand_y", "m"),
            Field::unbounded("right_hand_z", "m"),
            Field::unbounded("right_foot_x", "m"),
            Field::unbounded("right_foot_y", "m"),
            Field::unbounded("right_foot_z", "m"),
            // How much the torso's axes point up.
            Field::new("torso_x_up", "1", -1.001, 1.001),
            Field::new("torso_y_up", "1", -1.001, 1.001),
            Field::new("torso_z_up", "1", -1.001, 1.001),
            Field::unbounded("centre_of_mass_vx", "m/s"),
            Field::unbounded("centre_of_mass_vy", "m/s"),
            Field::unbounded("centre_of_mass_vz", "m/s"),
            Field::unbounded("torso_vx", "m/s"),
            Field::unbounded("torso_vy", "m/s"),
            Field::unbounded("torso_vz", "m/s"),
            // About the torso's own axes.
            Field::unbounded("torso_wx", "rad/s"),
            Field::unbounded("torso_wy", "rad/s"),
            Field::unbounded("torso_wz", "rad/s"),
            $(Field::unbounded(concat!(stringify!($hinge), "_rate"), "rad/s"),)*
        ];
    };
}

observation! {
    abdomen_z abdomen_y abdomen_x
    right_hip_x right_hip_z right_hip_y right_knee right_ankle_y right_ankle_x
    left_hip_x left_hip_z left_hip_y left_knee left_ankle_y left_ankle_x
    right_shoulder1 right_shoulder2 right_elbow left_shoulder1 left_shoulder2 left_elbow
}
