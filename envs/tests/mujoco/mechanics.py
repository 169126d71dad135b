"""Trajectories of a MuJoCo model and facts about it, for `bodies.py`."""

import copy
import json
import pathlib
import zlib
from dataclasses import dataclass

import mujoco
import numpy as np

HERE = pathlib.Path(__file__).parent
HINGE, SLIDE, FREE = (int(getattr(mujoco.mjtJoint, "mjJNT_" + k)) for k in ("HINGE", "SLIDE", "FREE"))
RK4, EULER = int(mujoco.mjtIntegrator.mjINT_RK4), int(mujoco.mjtIntegrator.mjINT_EULER)
NO_CONTACT = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
NO_LIMIT = int(mujoco.mjtDisableBit.mjDSBL_LIMIT)
TRUTH = 0.00025


@dataclass
class Robot:
    """A model, its substeps in a control step and the pose that an episode starts around."""

    name: str
    model: mujoco.MjModel
    skip: int
    home: np.ndarray

    def __post_init__(self):
        m = self.model
        self.period = m.opt.timestep * self.skip
        self.free = m.jnt_type[0] == FREE
        names = [m.joint(j).name for j in range(m.njnt)]
        self.planar = "rootz" in names
        self.rooted = self.free or self.planar
        if self.free:
            self.x, self.z = 0, 2  # of positions and of velocities alike
        if self.planar:
            self.x, self.z, self.pitch = (names.index(k) for k in ("rootx", "rootz", "rooty"))
        joints = [j for j in range(m.njnt) if not (self.rooted and names[j].startswith("root"))]
        self.q, self.v = m.jnt_qposadr[joints], m.jnt_dofadr[joints]
        limited = m.jnt_limited[joints, None].astype(bool)
        self.low, self.high = np.where(limited, m.jnt_range[joints], [-np.inf, np.inf]).T
        hinges = np.flatnonzero(m.jnt_type == HINGE)
        self.hinges = m.jnt_qposadr[hinges if len(hinges) else m.jnt_type == SLIDE]

    def rng(self, section):
        return np.random.default_rng(zlib.crc32(f"{self.name} {section}".encode()))

    def controls(self, units):
        """Controls of actions in [-1, 1], which span the control range about 0 or nearly so."""
        low, high = self.model.actuator_ctrlrange.T
        return np.where(units < 0, -low, high) * units

    def couple(self, joints):
        """dm_quadruped's legs are coupled: pitch, knee and ankle add up to nothing."""
        if self.name == "dm_quadruped":
            joints = joints.reshape(4, 4)
            joints[:, 3] = -joints[:, 1] - joints[:, 2]
        return joints.ravel()

    def pose(self, rng, spread, tilt, inside=False):
        """The home pose, every joint moved by up to `spread` and the root tilted by up to `tilt`."""
        qpos = self.home.copy()
        if inside:
            centre = np.clip(qpos[self.q], self.low, self.high)
            low, high = np.maximum(centre - spread, self.low), np.minimum(centre + spread, self.high)
        else:
            low, high = qpos[self.q] - spread, qpos[self.q] + spread
        qpos[self.q] = self.couple(rng.uniform(low, high))
        if self.planar:
            qpos[self.pitch] += rng.uniform(-tilt, tilt)
        if self.free:
            angle, direction = rng.uniform(0, tilt), rng.uniform(0, 2 * np.pi)
            axis = np.array([np.cos(direction), np.sin(direction), 0.0])
            qpos[3:7] = [np.cos(angle / 2), *(np.sin(angle / 2) * axis)]
        return qpos

    def velocity(self, rng, size, joints=None):
        qvel = rng.uniform(-size, size, self.model.nv)
        qvel[self.v] = self.couple(qvel[self.v] * ((joints or size) / size))
        return qvel

    def raised(self, qpos, height=8.0):
        """The same with the root's origin at `height`, so far up that contacts may stay on."""
        if self.rooted:
            data = mujoco.MjData(self.model)
            data.qpos[:] = qpos
            mujoco.mj_kinematics(self.model, data)
            qpos[self.z] += height - data.xpos[1, 2]
        return qpos


def at(model, timestep, integrator=None, off=0):
    """A copy at another timestep. MuJoCo softens constraints to no faster than two timesteps: keep
    that of the model's own timestep, so that only the integration differs."""
    other = copy.copy(model)
    for solref in (other.jnt_solref, other.geom_solref, other.eq_solref):
        standard = solref[:, 0] > 0
        solref[standard, 0] = np.maximum(solref[standard, 0], 2 * model.opt.timestep)
    other.opt.timestep = timestep
    other.opt.integrator = model.opt.integrator if integrator is None else integrator
    other.opt.disableflags |= off
    return other


def simulate(robot, model, start, controls):
    """States after every control step."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = start
    nstep = round(robot.period / model.opt.timestep)
    states = []
    for ctrl in controls:
        data.ctrl[:] = ctrl
        mujoco.mj_step(model, data, nstep)
        states.append([data.qpos.copy(), data.qvel.copy()])
    return states


def undisturbed(robot, start, controls, every=1, off=NO_CONTACT | NO_LIMIT):
    """A trajectory by RK4 at 0.25 ms, and how far others are from it."""
    model, own = robot.model, robot.model.opt.timestep
    run = lambda *how: simulate(robot, at(model, *how, off=off), start, controls)
    truth = run(TRUTH, RK4)
    error = lambda states: max(
        abs(a[0] - b[0])[robot.hinges].max() for a, b in zip(states, truth, strict=True)
    )
    return {
        "start": start,
        "every": every,
        "actions": controls,
        "states": truth[every - 1 :: every],
        "euler_error": error(run(own, EULER)),
        "native_error": error(run(own)),
        "truth_error": error(run(TRUTH / 2, RK4)),
    }


def flight(robot):
    """Of 400 draws the first in which no joint gets further than 2 from the home pose, or the tamest."""
    seconds = 0.8 if robot.name in ("gym_hopper", "gym_walker2d") else 1.0
    rng, tamest = robot.rng("flight"), (np.inf,)
    model = at(robot.model, robot.model.opt.timestep, off=NO_CONTACT | NO_LIMIT)
    for _ in range(400):
        start = [robot.raised(robot.pose(rng, 0.1, 0.1)), robot.velocity(rng, 0.5)]
        units = rng.uniform(-0.3, 0.3, (round(seconds / robot.period), model.nu))
        controls = robot.controls(units).round(4)
        reach = max(
            abs(q - robot.home)[robot.q].max() for q, _ in simulate(robot, model, start, controls)
        )
        tamest = min(tamest, (reach, start, controls), key=lambda t: t[0])
        if reach < 2:
            break
    _, start, controls = tamest
    out = undisturbed(robot, start, controls)
    if model.neq:
        # Without the coupling of the legs, for an engine that does not have it yet.
        off = NO_CONTACT | NO_LIMIT | int(mujoco.mjtDisableBit.mjDSBL_EQUALITY)
        free = undisturbed(robot, start, controls, off=off)
        out["uncoupled"] = {k: v for k, v in free.items() if k not in ("start", "actions", "every")}
    return out


def swing(robot):
    rng = robot.rng("swing")
    spread = 0.1 if robot.name == "dm_point_mass" else 0.5
    start = [robot.raised(robot.pose(rng, spread, 0.5)), robot.velocity(rng, 0.5)]
    steps = round(1.0 / robot.period)
    every = min((k for k in range(1, 6) if steps // k <= 34), default=5)
    steps -= steps % every
    out = undisturbed(robot, start, np.zeros((steps, robot.model.nu)), every)
    del out["actions"]
    return out


def limits(robot):
    """Robots without a floating root start 0.02 from the upper limit, moving towards it."""
    rng, out = robot.rng("limits"), []
    model = at(robot.model, robot.model.opt.timestep / 4, off=NO_CONTACT)
    for _ in range(3):
        start = [robot.raised(robot.home.copy()), np.zeros(model.nv)]
        units = rng.uniform(-1, 1, (max(2, round(0.2 / robot.period)), model.nu)).round(4)
        if not robot.rooted:
            limited = np.isfinite(robot.high)
            start[0][limited], start[1][limited] = robot.high[limited] - 0.02, 1.0
            units = abs(units)
        controls = robot.controls(units)
        states = simulate(robot, model, start, controls)
        out.append({"start": start, "actions": controls, "states": states})
    return out


def lowest(model, data):
    """Height of the lowest point of the robot's geoms above the floor."""
    low = np.inf
    for g in np.flatnonzero(model.geom_bodyid > 0):
        kind, (a, b, c) = mujoco.mjtGeom(model.geom_type[g]).name[7:], model.geom_size[g]
        up = data.geom_xmat[g].reshape(3, 3)[2]
        reach = {
            "SPHERE": a,
            "CAPSULE": a + b * abs(up[2]),
            "CYLINDER": b * abs(up[2]) + a * np.hypot(up[0], up[1]),
            "ELLIPSOID": np.linalg.norm(up * (a, b, c)),
        }[kind]
        low = min(low, data.geom_xpos[g][2] - reach)
    return low


def contacts(model, data):
    """Largest penetration of the floor, and of one part of the robot into another; negative where
    the geoms' margins make a contact of a gap."""
    geoms, depth = data.contact.geom.reshape(-1, 2), -data.contact.dist
    floor = (model.geom_bodyid[geoms] == 0).any(axis=1)
    return max(depth[floor], default=-np.inf), max(depth[~floor], default=-np.inf)


def landings(robot, count):
    rng, out = robot.rng("landings"), []
    model = robot.model
    while len(out) < count:
        data = mujoco.MjData(model)
        data.qpos[:] = robot.raised(robot.pose(rng, 0.3, 0.15, inside=True))
        mujoco.mj_kinematics(model, data)
        data.qpos[robot.z] += rng.uniform(0.005, 0.03) - lowest(model, data)
        data.qvel[:] = robot.velocity(rng, 0.5, joints=2.0)
        data.qvel[robot.x] = rng.uniform(-0.5, 2.0)
        data.qvel[robot.z] = -rng.uniform(0.3, 2.0)
        start = [data.qpos.copy(), data.qvel.copy()]
        steps = round((0.4 if robot.period > 0.04 else 0.2) / robot.period)
        units = 0.3 * rng.uniform(-1, 1, model.nu) + 0.3 * rng.normal(size=(steps, model.nu))
        controls = robot.controls(np.clip(units, -1, 1)).round(4)
        states, deepest, own = [], -np.inf, -np.inf
        for ctrl in controls:
            data.ctrl[:] = ctrl
            for _ in range(robot.skip):
                mujoco.mj_step(model, data)
                floor, self_contact = contacts(model, data)
                deepest, own = max(deepest, floor), max(own, self_contact)
            states.append([data.qpos.copy(), data.qvel.copy()])
        joints = data.qpos[robot.q]
        inside = ((joints > robot.low - 0.3) & (joints < robot.high + 0.3)).all()
        if deepest > 0 and inside and np.isfinite(data.qpos).all():
            fall = {"start": start, "actions": controls, "states": states}
            out.append(fall | {"penetration": deepest, "self_contact": bool(own > 0)})
    return out


def rest(robot):
    model, data = robot.model, mujoco.MjData(robot.model)
    data.qpos[:] = robot.home
    steps = round(4.0 / model.opt.timestep)
    floor, own = np.zeros(steps), np.zeros(steps)
    for i in range(steps):
        mujoco.mj_step(model, data)
        floor[i], own[i] = contacts(model, data)
    last = round(1.0 / model.opt.timestep)
    return {
        "start": robot.home,
        "qpos": data.qpos.copy(),
        "speed": abs(data.qvel).max(),
        "penetration": floor[-last:].max(),
        "deepest": floor.max(),
        "self_penetration": own.max() if np.isfinite(own.max()) else None,
    }


def bodies(model):
    """Mass and principal inertia of every jointed body, jointless descendants welded into it."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    out = []
    for body in range(1, model.nbody):
        if model.body_jntnum[body] == 0:
            continue
        parts = np.flatnonzero(model.body_weldid == body)
        mass, centres = model.body_mass[parts], data.xipos[parts]
        centre, inertia = mass @ centres / mass.sum(), np.zeros((3, 3))
        for part, m, r in zip(parts, mass, centres - centre):
            frame = data.ximat[part].reshape(3, 3)
            inertia += frame @ np.diag(model.body_inertia[part]) @ frame.T
            inertia += m * (r @ r * np.eye(3) - np.outer(r, r))
        joint = model.joint(model.body_jntadr[body]).name
        out.append(
            {
                "name": model.body(body).name or f"body of {joint}",
                "mass": mass.sum(),
                "inertia": np.linalg.eigvalsh(inertia),
            }
        )
    return out


def coordinates(model):
    out = []
    for j in range(model.njnt):
        q, v = int(model.jnt_qposadr[j]), int(model.jnt_dofadr[j])
        kind = {HINGE: "hinge", SLIDE: "slide", FREE: "free"}[model.jnt_type[j]]
        out.append(
            {
                "name": model.joint(j).name,
                "type": kind,
                "qpos": q,
                "qvel": v,
                "body": model.body(model.jnt_bodyid[j]).name,
                "range": model.jnt_range[j] if model.jnt_limited[j] else None,
                "armature": model.dof_armature[v],
                "damping": np.ravel(model.dof_damping[v])[0],
                "stiffness": np.ravel(model.jnt_stiffness[j])[0],
            }
        )
    return out


def actuators(model):
    out = []
    for a in range(model.nu):
        joint = model.actuator_trntype[a] == mujoco.mjtTrn.mjTRN_JOINT
        target = (model.joint if joint else model.tendon)(model.actuator_trnid[a, 0]).name
        out.append({"joint" if joint else "tendon": target, "gear": model.actuator_gear[a, 0]})
    return out


def spread(values):
    p10, p50, p90 = np.percentile(values, [10, 50, 90])
    return {"mean": np.mean(values), "p10": p10, "p50": p50, "p90": p90}


def plain(value, decimals=None):
    """JSON text with 9 significant digits."""
    if isinstance(value, dict):
        few = lambda k: None if k.endswith("_error") else decimals
        return "{" + ",".join(f'"{k}":{plain(v, few(k))}' for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ",".join(plain(v, decimals) for v in value) + "]"
    if value is None or isinstance(value, (bool, np.bool_, str)):
        return json.dumps(value if not isinstance(value, np.bool_) else bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    assert np.isfinite(value)
    return f"{(value if decimals is None else round(value, decimals)) + 0.0:.9g}"


def write(robot, versions, origin, rest_of_it, count):
    model = robot.model
    record = {
        "versions": {"mujoco": mujoco.__version__} | versions,
        "model": origin,
        "timestep": model.opt.timestep,
        "frame_skip": robot.skip,
        "integrator": mujoco.mjtIntegrator(model.opt.integrator).name[6:].lower(),
        "total_mass": model.body_mass.sum(),
        "bodies": bodies(model),
        "coordinates": coordinates(model),
        "actuators": actuators(model),
        "action_range": model.actuator_ctrlrange,
        "flight": flight(robot),
        "swing": swing(robot),
        "limits": limits(robot),
    }
    if robot.rooted:
        record |= {"landings": landings(robot, count), "rest": rest(robot)}
    record |= rest_of_it
    tracks = ("flight", "swing", "limits", "landings", "judged")
    lines = [f'"{k}": {plain(v, 7 if k in tracks else None)}' for k, v in record.items()]
    path = HERE / f"{robot.name}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    errors = {k: float(f"{v:.3g}") for k, v in record["flight"].items() if k.endswith("_error")}
    print(path.name, path.stat().st_size, "bytes", errors, flush=True)
