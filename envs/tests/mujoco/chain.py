"""Writes chain.json: what a passive chain and a single hinge do in MuJoCo.

    pip install mujoco==4.0.0
    python envs/tests/mujoco/chain.py

chain  five capsules 0.5 m long between the ends of their axes, radius 0.05 m, 1,000 kg/m3, on hinges
       about y without damping, the first one in the world; 10 s from rest, stretched out along x;
       positive angles lower the far end.
       `drift` is the change of energy over (total mass) g (total length), at the end and at worst
hinge  one such link about its end, no gravity, 1 N m for 0.5 s, armature 0 and 1 kg m2
"""

import math

import mujoco
import numpy as np
from mechanics import HERE, plain

LINKS, LENGTH, RADIUS, DENSITY, GRAVITY = 5, 0.5, 0.05, 1000.0, 9.81

LINK = f"""
<body pos="{{x}} 0 0">
  <joint axis="0 1 0" armature="{{armature}}"/>
  <geom type="capsule" fromto="0 0 0 {LENGTH} 0 0" size="{RADIUS}" density="{DENSITY}"/>
  {{inner}}
</body>"""


def build(links, gravity, armature=0.0):
    inner = ""
    for i in reversed(range(links)):
        inner = LINK.format(x=LENGTH if i else 0, armature=armature, inner=inner)
    xml = f"""<mujoco>
      <option gravity="0 0 {-gravity}"><flag contact="disable" energy="enable"/></option>
      <worldbody>{inner}</worldbody></mujoco>"""
    return mujoco.MjModel.from_xml_string(xml)


def chain(model, integrator, timestep, seconds=10.0):
    model.opt.timestep, model.opt.integrator = timestep, integrator
    data, scale = mujoco.MjData(model), model.body_mass.sum() * GRAVITY * LINKS * LENGTH
    energies, states = [], []
    for i in range(round(seconds / timestep) + 1):
        mujoco.mj_forward(model, data)
        energies.append(sum(data.energy) / scale)
        if i % round(0.1 / timestep) == 0 and i * timestep < 1.05:
            states.append([data.qpos.copy(), data.qvel.copy()])
        mujoco.mj_step(model, data)
    drift = np.array(energies) - energies[0]
    return {"end": drift[-1], "worst": abs(drift).max()}, states


def hinge(armature, torque=1.0, seconds=0.5):
    """Rotation about the end of the link: exact, and by MuJoCo's Euler at 2 ms."""
    model = build(1, 0.0, armature)
    inertia = model.body_inertia[1].max() + model.body_mass[1] * (LENGTH / 2) ** 2
    data = mujoco.MjData(model)
    data.qfrc_applied[:] = torque
    mujoco.mj_step(model, data, round(seconds / model.opt.timestep))
    speed = torque * seconds / (inertia + armature)
    return {
        "armature": armature,
        "torque": torque,
        "seconds": seconds,
        "inertia": inertia,
        "speed": speed,
        "angle": speed * seconds / 2,
        "mujoco_speed": data.qvel[0],
        "mujoco_angle": data.qpos[0],
    }


def main():
    model = build(LINKS, GRAVITY)
    cylinder, ball = math.pi * RADIUS**2 * LENGTH, 4 / 3 * math.pi * RADIUS**3
    assert math.isclose(model.body_mass[1], DENSITY * (cylinder + ball))
    euler, rk4 = mujoco.mjtIntegrator.mjINT_EULER, mujoco.mjtIntegrator.mjINT_RK4
    truth = chain(model, rk4, 0.00025)
    record = {
        "versions": {"mujoco": mujoco.__version__},
        "links": LINKS,
        "length": LENGTH,
        "radius": RADIUS,
        "gravity": GRAVITY,
        "mass": model.body_mass[1],
        "inertia": np.sort(model.body_inertia[1]),
        "centre": LENGTH / 2,
        "drift": {
            "euler 2 ms": chain(model, euler, 0.002)[0],
            "euler 0.5 ms": chain(model, euler, 0.0005)[0],
            "rk4 2 ms": chain(model, rk4, 0.002)[0],
            "rk4 0.25 ms": truth[0],
        },
        # The first second, every 0.1 s, by RK4 at 0.25 ms: chaos has not set in.
        "states": truth[1],
        "hinge": [hinge(0.0), hinge(1.0)],
    }
    lines = [f'"{k}": {plain(v, 7 if k == "states" else None)}' for k, v in record.items()]
    (HERE / "chain.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
