//! The 348 numbers of Humanoid-v5's observation.

use super::links::{FEET, LINKS, PARTS};
use crate::Field;

pub(super) const FIELDS: &[Field] = &{
    let mut all = [Field::unbounded("", ""); 348];
    let mut at = 0;
    at = put(&mut all, at, &QPOS);
    at = put(&mut all, at, &QVEL);
    let mut link = 0;
    while link < LINKS {
        at = put(&mut all, at, &INERTIAS[link]);
        all[at] = Field::constant(MASSES[link], "kg", PARTS[link].2);
        (at, link) = (at + 1, link + 1);
    }
    at = put_rows(&mut all, at, &VELOCITIES);
    at = put(&mut all, at, &TORQUES);
    link = 0;
    while link < LINKS {
        let foot = link == FEET[0] || link == FEET[1];
        let row = FORCES[link];
        at = put(&mut all, at, &if foot { row } else { untouched(row) });
        link += 1;
    }
    assert!(at == all.len());
    all
};

/// Copies `from` to `all[at..]`; where to go on.
const fn put(all: &mut [Field; 348], at: usize, from: &[Field]) -> usize {
    let mut i = 0;
    while i < from.len() {
        all[at + i] = from[i];
        i += 1;
    }
    at + from.len()
}

const fn put_rows(all: &mut [Field; 348], mut at: usize, rows: &[[Field; 6]]) -> usize {
    let mut i = 0;
    while i < rows.len() {
        at = put(all, at, &rows[i]);
        i += 1;
    }
    at
}

/// Contact forces on a link that never touches anything.
const fn untouched(mut row: [Field; 6]) -> [Field; 6] {
    let mut i = 0;
    while i < row.len() {
        row[i] = Field::constant(row[i].name, row[i].unit, 0.0);
        i += 1;
    }
    row
}

/// Six numbers of a link, three and three, of two units.
macro_rules! row {
    ($link:literal, $first:literal $first_unit:literal, $second:literal $second_unit:literal) => {
        [
            Field::unbounded(concat!($link, "_", $first, "x"), $first_unit),
            Field::unbounded(concat!($link, "_", $first, "y"), $first_unit),
            Field::unbounded(concat!($link, "_", $first, "z"), $first_unit),
            Field::unbounded(concat!($link, "_", $second, "x"), $second_unit),
            Field::unbounded(concat!($link, "_", $second, "y"), $second_unit),
            Field::unbounded(concat!($link, "_", $second, "z"), $second_unit),
        ]
    };
}

/// The fields of each link, by name.
macro_rules! links {
    ($($link:literal)*) => {
        /// Inertia about the robot's centre of mass, and mass times the offset from it.
        const INERTIAS: [[Field; 9]; LINKS] = [$([
            Field::new(concat!($link, "_ixx"), "kg m²", 0.0, f32::INFINITY),
            Field::new(concat!($link, "_iyy"), "kg m²", 0.0, f32::INFINITY),
            Field::new(concat!($link, "_izz"), "kg m²", 0.0, f32::INFINITY),
            Field::unbounded(concat!($link, "_ixy"), "kg m²"),
            Field::unbounded(concat!($link, "_ixz"), "kg m²"),
            Field::unbounded(concat!($link, "_iyz"), "kg m²"),
            Field::unbounded(concat!($link, "_mass_x"), "kg m"),
            Field::unbounded(concat!($link, "_mass_y"), "kg m"),
            Field::unbounded(concat!($link, "_mass_z"), "kg m"),
        ]),*];
        const MASSES: [&str; LINKS] = [$(concat!($link, "_mass")),*];
        /// Of the link's point at the robot's centre of mass.
        const VELOCITIES: [[Field; 6]; LINKS] = [$(row!($link, "w" "rad/s", "v" "m/s")),*];
        /// Of contacts, about the robot's centre of mass.
        const FORCES: [[Field; 6]; LINKS] =
            [$(row!($link, "contact_torque_" "N m", "contact_force_" "N")),*];
    };
}

links! {
    "torso" "lwaist" "pelvis" "right_thigh" "right_shin" "right_foot" "left_thigh" "left_shin"
    "left_foot" "right_upper_arm" "right_lower_arm" "left_upper_arm" "left_lower_arm"
}

/// The fields of each hinge, by name and greatest torque (N m), which is 40 for every 100 of gear.
macro_rules! hinges {
    ($($hinge:ident $torque:literal)*) => {
        const QPOS: [Field; 22] = [
            Field::unbounded("torso_z", "m"),
            Field::new("torso_quat_w", "1", -1.001, 1.001),
            Field::new("torso_quat_x", "1", -1.001, 1.001),
            Field::new("torso_quat_y", "1", -1.001, 1.001),
            Field::new("torso_quat_z", "1", -1.001, 1.001),
            $(Field::unbounded(concat!(stringify!($hinge), "_angle"), "rad")),*
        ];
        const QVEL: [Field; 23] = [
            Field::unbounded("torso_origin_vx", "m/s"),
            Field::unbounded("torso_origin_vy", "m/s"),
            Field::unbounded("torso_origin_vz", "m/s"),
            Field::unbounded("torso_own_wx", "rad/s"),
            Field::unbounded("torso_own_wy", "rad/s"),
            Field::unbounded("torso_own_wz", "rad/s"),
            $(Field::unbounded(concat!(stringify!($hinge), "_rate"), "rad/s")),*
        ];
        const TORQUES: [Field; 17] = [
            $(Field::new(concat!(stringify!($hinge), "_torque"), "N m", -$torque, $torque)),*
        ];
    };
}

hinges! {
    abdomen_z 40.0 abdomen_y 40.0 abdomen_x 40.0
    right_hip_x 40.0 right_hip_z 40.0 right_hip_y 120.0 right_knee 80.0
    left_hip_x 40.0 left_hip_z 40.0 left_hip_y 120.0 left_knee 80.0
    right_shoulder1 10.0 right_shoulder2 10.0 right_elbow 10.0
    left_shoulder1 10.0 left_shoulder2 10.0 left_elbow 10.0
}
