//! `prefbench play` as its user meets it: films that move, a page that works in a browser, errors
//! that say what to do.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

mod common;
use common::{ok, only_run, refused};

/// Runs it and returns the paths that it printed.
fn finish(dir: &Path, line: &str) -> Vec<PathBuf> {
    let text = ok(dir, line).out;
    text.lines().map(|line| dir.join(line)).collect()
}

/// The frames as they are shown, each drawn over the one before, and the first frame's delay.
fn film(path: &Path) -> (Vec<Vec<[u8; 3]>>, u16) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut canvas = vec![[0; 3]; width * height];
    let (mut frames, mut delay) = (Vec::new(), 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate() {
            let (w, left) = (usize::from(frame.width), usize::from(frame.left));
            if let [r, g, b, 255] = *pixel {
                canvas[(usize::from(frame.top) + i / w) * width + left + i % w] = [r, g, b];
            }
        }
        frames.push(canvas.clone());
        delay = frame.delay;
    }
    (frames, delay)
}

/// A PNG's width and pixels.
fn picture(path: &Path) -> (usize, Vec<[u8; 3]>) {
    let file = BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = bytes.chunks_exact(info.color_type.samples());
    let pixels = pixels.map(|p| [p[0], p[1], p[2]]).collect();
    (info.width as usize, pixels)
}

/// Pixels of the robot's dark blue, of which there is nothing else.
fn robot(pixels: &[[u8; 3]]) -> usize {
    let dark = |&&[r, _, b]: &&[u8; 3]| r < 100 && b > r.saturating_add(10);
    pixels.iter().filter(dark).count()
}

fn colours(pixels: &[[u8; 3]]) -> usize {
    pixels.iter().collect::<HashSet<_>>().len()
}

#[test]
fn a_task_becomes_a_film_and_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let line = "play reach --steps 20 --every 4 --size 240x180";
    let [page, gif] = &finish(dir.path(), line)[..] else {
        panic!("two files expected");
    };
    let (frames, delay) = film(gif);
    assert_eq!(
        (frames.len(), delay),
        (6, 5),
        "frames 0, 4, .. 20 of 12.5 ms each"
    );
    for pair in frames.windows(2) {
        assert_ne!(pair[0], pair[1], "the hand stands still");
        assert!(robot(&pair[1]) > 50, "no robot");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("http"), "the page refers to another place");
    assert!(
        !page.contains("{{"),
        "a part of the template is not filled in"
    );
    for part in ["\"frames\":21", "\"solids\":[", "random actions, seed 0"] {
        assert!(page.contains(part), "no {part}");
    }
    let names: Vec<_> = fs::read_dir(dir.path().join("plays")).unwrap().collect();
    assert_eq!(names.len(), 2, "something else was left: {names:?}");

    let again = tempfile::tempdir().unwrap();
    let files = finish(again.path(), line);
    assert_eq!(fs::read(&files[1]).unwrap(), fs::read(gif).unwrap());
    let files = finish(again.path(), "play reach --steps 20 --seed 1");
    assert!(files[1].ends_with("reach-1.gif"), "{files:?}");
    assert_ne!(fs::read(&files[1]).unwrap(), fs::read(gif).unwrap());
}

#[test]
fn a_run_shows_its_policy() {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        "run reach --algo random --set steps=300 --set eval_episodes=1",
    );
    let run = only_run(dir.path());
    let name = run.file_name().unwrap().to_str().unwrap();
    let line = format!("play {} --frames 2 --out a/b", run.display());
    let files = finish(dir.path(), &line);
    assert!(files[0].ends_with(format!("a/b/{name}.html")), "{files:?}");
    let page = fs::read_to_string(&files[0]).unwrap();
    assert!(page.contains("policy after 300 steps"));
    assert_eq!(film(&files[1]).0.len(), 2);

    fs::remove_dir_all(run.join(format!("checkpoint-{:012}", 300))).unwrap();
    refused(dir.path(), &line, &["checkpoint"]);
}

#[test]
fn every_task_has_a_still() {
    let dir = tempfile::tempdir().unwrap();
    let files = finish(dir.path(), "play --still --all --out stills --size 400x300");
    assert!(files.len() > 1);
    for file in files {
        let (width, pixels) = picture(&file);
        assert_eq!((width, pixels.len()), (400, 400 * 300));
        assert!(colours(&pixels) > 100, "{} is blank", file.display());
        assert!(robot(&pixels) > 3, "{} shows no robot", file.display());
    }
}

#[test]
fn bad_input_gets_one_clear_error() {
    let cases: &[(&str, &[&str])] = &[
        ("play hoper", &["hoper", "hopper", "run"]),
        ("play .", &["config.json"]),
        ("play reach --out /proc/self/x", &["/proc/self/x"]),
        ("play reach --size 9", &["WIDTHxHEIGHT"]),
        ("play --all", &["--still"]),
        ("play", &["WHAT"]),
    ];
    for (line, parts) in cases {
        let dir = tempfile::tempdir().unwrap();
        refused(dir.path(), *line, parts);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{line}");
    }
}

/// Chromium, without a window, a graphics card or a word to the network.
struct Browser {
    path: PathBuf,
    profile: TempDir,
}

impl Browser {
    /// From the variable PREFBENCH_CHROMIUM or the search path.
    fn find() -> Option<Self> {
        let dirs = std::env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let known = std::env::split_paths(&dirs).flat_map(|dir| names.map(|name| dir.join(name)));
        let named = std::env::var_os("PREFBENCH_CHROMIUM").map(PathBuf::from);
        let Some(path) = named.into_iter().chain(known).find(|p| p.is_file()) else {
            println!(
                "SKIPPED: no browser. `apt-get install chromium`, or name one in PREFBENCH_CHROMIUM"
            );
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        Some(Self { path, profile })
    }

    fn open(&self, page: &Path, fragment: &str, what: &str) -> Output {
        let mut command = Command::new(&self.path);
        command.args(["--headless", "--no-sandbox", "--disable-dev-shm-usage"]);
        // WebGL without a graphics card.
        command.args(["--disable-gpu", "--use-angle=swiftshader"]);
        command.args(["--enable-unsafe-swiftshader", "--window-size=900,700"]);
        command.args(["--disable-quic", "--no-first-run", "--disable-sync"]);
        command.args(["--disable-background-networking"]);
        command.args(["--disable-component-update", "--virtual-time-budget=3000"]);
        let profile = self.profile.path().display();
        command.arg(format!("--user-data-dir={profile}")).arg(what);
        command.arg(format!("file://{}{fragment}", page.display()));
        command.output().unwrap()
    }

    /// The page's DOM after three seconds, of a page that works.
    fn dom(&self, page: &Path, fragment: &str) -> String {
        let out = self.open(page, fragment, "--dump-dom");
        let dom = String::from_utf8_lossy(&out.stdout).into_owned();
        let ready = dom.contains("data-state=\"ready\"");
        assert!(
            ready,
            "the page {:?}; {}",
            title(&dom),
            String::from_utf8_lossy(&out.stderr)
        );
        dom
    }

    /// What is seen of the scene then: right of the card with figures, above the controls.
    fn scene(&self, page: &Path, fragment: &str) -> Vec<[u8; 3]> {
        let file = page.with_extension("png");
        let out = self.open(page, fragment, &format!("--screenshot={}", file.display()));
        assert!(file.exists(), "{}", String::from_utf8_lossy(&out.stderr));
        let (width, pixels) = picture(&file);
        let rows = pixels.chunks(width);
        let above = pixels.len() / width - 100;
        rows.take(above).flat_map(|r| &r[220..]).copied().collect()
    }
}

/// Of a page that failed, it is the error.
fn title(dom: &str) -> Option<&str> {
    dom.split("<title>").nth(1)?.split('<').next()
}

#[test]
fn the_page_shows_an_episode_in_a_browser() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let files = finish(dir.path(), "play hopper --frames 1");
    let dom = browser.dom(&files[0], "#step=4");
    assert_eq!(title(&dom), Some("hopper"));
    assert!(dom.contains(">4 / "), "the page does not show its step");

    let [early, late] = ["#step=4", "#step=16"].map(|step| browser.scene(&files[0], step));
    for scene in [&early, &late] {
        assert!(colours(scene) > 500, "the page is blank");
        let share = robot(scene) as f32 / scene.len() as f32;
        assert!((0.01..0.3).contains(&share), "{share} is of the robot");
    }
    let moved = early.iter().zip(&late).filter(|(a, b)| a != b).count();
    assert!(100 * moved > early.len(), "only {moved} pixels have moved");
}

/// Uses the page, in its own time, and notes on its body what went wrong.
const USER: &str = r##"<script>{
requestAnimationFrame = () => {};
canvas.setPointerCapture = () => {}; // no pointer is real here
const faults = [], check = (ok, what) => ok || faults.push(what + " at " + $("step").textContent);
const send = (to, kind, Event, more) => to.dispatchEvent(new Event(kind, { bubbles: true, ...more }));
const step = () => Number($("step").textContent.split(" ")[0]);
let clock = performance.now();
const pass = seconds => {
  for (const end = clock + 1000 * seconds; clock < end; tick(clock)) clock += 50;
};
const look = () => { draw(frame); return canvas.toDataURL(); };

pass(0.1);
check(step() === 100 && $("play").textContent === "▶", "a link to a moment");
send(window, "keydown", KeyboardEvent, { key: "ArrowRight" });
pass(0.1);
check(step() === 101, "a step on");
location.hash = "#step=40";
send(window, "hashchange", HashChangeEvent);
pass(0.1);
check(step() === 40, "another link");
$("scrub").value = 20;
send($("scrub"), "input", Event);
pass(0.1);
check(step() === 20, "scrubbing");
for (const [speed, steps] of [[1, 40], [0.25, 10]]) {
  const from = step();
  $("speed").value = speed;
  $("play").click();
  pass(0.5);
  send(window, "keydown", KeyboardEvent, { key: " " });
  pass(0.5);
  check(Math.abs(step() - from - steps) <= 1, `half a second at ${speed}x from ${from}`);
}
const first = look();
send(canvas, "pointerdown", PointerEvent, { clientX: 300, clientY: 300 });
send(canvas, "pointermove", PointerEvent, { clientX: 500, clientY: 340 });
send(canvas, "pointerup", PointerEvent);
const turned = look();
check(turned !== first, "turning");
send(canvas, "pointermove", PointerEvent, { clientX: 100, clientY: 100 });
check(look() === turned, "letting go");
send(canvas, "wheel", WheelEvent, { deltaY: 300 });
check(look() !== turned, "zooming");
send(canvas, "dblclick", MouseEvent);
check(look() === first, "resetting the view");
document.body.dataset.faults = faults.join("; ") || "none";
}</script>"##;

#[test]
fn the_page_obeys_its_user() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let files = finish(dir.path(), "play reach --frames 1");
    let page = fs::read_to_string(&files[0]).unwrap();
    fs::write(&files[0], page.replace("</html>", USER)).unwrap();
    let dom = browser.dom(&files[0], "#step=100");
    assert_eq!(title(&dom), Some("reach"));
    let faults = dom.split("data-faults=\"").nth(1);
    let faults = faults.and_then(|f| f.split('"').next());
    assert_eq!(
        faults,
        Some("none"),
        "None: the user did not come to an end"
    );
}
