//! A [`Reproduction`] in words and figures: for terminals, as Markdown, LaTeX, HTML and CSV.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::sheets::{chance, signed};
use super::{Ours, Reproduction, Verdict, once};
use crate::Error;
use crate::page;
use crate::paper::Fidelity;
use crate::plot::{Forest, Panel, Row, escaped};
use crate::sheet::{Sheet, markdown};
use crate::stats::Estimate;
use crate::table::{Metric, quoted};

impl Reproduction {
    /// The outcome in a few sentences.
    #[must_use]
    pub fn summary(&self) -> String {
        let (ours, all) = self.coverage();
        let mut out = format!(
            "Ours has {ours} of {all} cells, at the tier {}. ",
            self.tier
        );
        match &self.agreement.pooled {
            Some(test) => {
                let n = self
                    .agreement
                    .tasks
                    .iter()
                    .filter(|t| t.2.is_some())
                    .count();
                let tasks = if n == 1 { "task" } else { "tasks" };
                let _ = write!(
                    out,
                    "Methods rank with tau-b {} over {n} {tasks} ({} for that much by chance). ",
                    signed(test.value, 2),
                    chance(test.greater)
                );
            }
            None => out += "Rankings cannot be compared. ",
        }
        let count = |verdict| self.claims.iter().filter(|c| c.verdict == verdict).count();
        let counts = [
            Verdict::Holds,
            Verdict::NotShown,
            Verdict::Contradicted,
            Verdict::Untested,
        ];
        let counts = counts
            .map(|v| format!("{} {}", count(v), v.name()))
            .join(", ");
        let unread = self.claims.iter().filter(|c| !c.claim.verified).count();
        let unread = match unread {
            0 => String::new(),
            n => format!(" ({n} of them not read in the paper itself)"),
        };
        match self.claims.len() {
            0 => out += "No claims are on record.",
            1 => out += &format!("Of 1 claim{unread}: {counts}."),
            n => out += &format!("Of {n} claims{unread}: {counts}."),
        }
        out
    }

    /// For a terminal.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut out = format!("{}\n{}\n", self.paper.title, self.summary());
        for (_, sheet) in self.sheets() {
            let _ = write!(out, "\n{}", sheet.terminal());
        }
        for note in self.words() {
            let _ = write!(out, "\n{note}\n");
        }
        out
    }

    /// GitHub-flavoured Markdown, its headings from the second level on.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "## {}\n\n{}\n\n**{}**\n",
            markdown(&self.paper.title),
            markdown(&self.source()),
            markdown(&self.summary())
        );
        for (_, sheet) in self.sheets() {
            let _ = write!(out, "\n{}", sheet.markdown());
        }
        for note in self.words() {
            let _ = write!(out, "\n- {}", markdown(&note));
        }
        out + "\n"
    }

    /// The tables for a paper; they need `\usepackage{booktabs}`. The notes are comments.
    #[must_use]
    pub fn latex(&self) -> String {
        let mut out = String::from("% Needs \\usepackage{booktabs}.\n");
        let head = [self.paper.title.clone(), self.source(), self.summary()];
        for line in head.iter().chain(&self.words()).flat_map(|n| n.lines()) {
            let _ = writeln!(out, "% {line}");
        }
        for (label, sheet) in self.sheets() {
            let _ = write!(
                out,
                "\n{}",
                sheet.latex(&format!("{}-{label}", self.paper.id))
            );
        }
        out
    }

    /// A page that needs nothing else.
    ///
    /// # Errors
    /// [`Error::Drawing`] if the figure cannot be drawn.
    pub fn html(&self) -> Result<String, Error> {
        let mut out = page::beginning(
            "Reproduction",
            &self.paper.title,
            &self.source(),
            &self.summary(),
        );
        out += "</header>\n<main>\n";
        for (label, sheet) in self.sheets() {
            let heading = match label {
                "cells" => "Theirs and ours",
                "claims" => "Claims",
                "rankings" => "Rankings",
                _ => "Methods",
            };
            let _ = writeln!(out, "<h2>{heading}</h2>");
            if let (true, Some(forest)) = (label == "claims", self.forest()) {
                let _ = writeln!(out, "<figure>{}</figure>", forest.svg(940.0)?);
            }
            out += &sheet.html(escaped);
        }
        out += "<h2>What to know about these figures</h2>\n<ul>\n";
        for note in self.words() {
            let _ = writeln!(out, "<li>{}</li>", escaped(&note));
        }
        Ok(out + "</ul>\n" + &page::end())
    }

    /// One line per cell, with full precision; what is not known is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from(
            "task,our_task,dataset,fidelity,method,algorithm,paper,spread,read_in_paper,ours,low,high,metric,n,failed,scores,commits\n",
        );
        let some = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
        for (task, row) in self.paper.tasks.iter().zip(&self.cells) {
            for (method, cell) in self.paper.methods.iter().zip(row) {
                let ours = cell.ours.as_ref();
                let interval = ours.and_then(|o| o.estimate.interval);
                let joined =
                    |ours: &Ours| Vec::from_iter(ours.scores.iter().map(f64::to_string)).join(" ");
                let fields = [
                    task.name.clone(),
                    task.task.clone().unwrap_or_default(),
                    task.dataset.clone().unwrap_or_default(),
                    task.fidelity.map_or("", |f| f.name()).to_owned(),
                    method.name.clone(),
                    method.algorithm.clone().unwrap_or_default(),
                    some(cell.theirs.map(|t| t.mean)),
                    some(cell.theirs.and_then(|t| t.spread)),
                    cell.theirs
                        .map_or_else(String::new, |t| t.verified.to_string()),
                    some(ours.map(|o| o.estimate.value)),
                    some(interval.map(|i| i.low)),
                    some(interval.map(|i| i.high)),
                    ours.map_or("", |o| o.unit).to_owned(),
                    ours.map_or_else(String::new, |o| o.scores.len().to_string()),
                    ours.map_or_else(String::new, |o| o.failed.to_string()),
                    ours.map_or_else(String::new, joined),
                    ours.map_or_else(String::new, |o| o.commits.join(" ")),
                ];
                let _ = writeln!(out, "{}", fields.map(|f| quoted(&f)).join(","));
            }
        }
        out
    }

    /// Writes all forms into the folder `dir`, replacing files of the same names: `ID.html`, `ID.md`,
    /// `ID.tex`, `ID.csv` and, where a claim is tested, `ID-claims.svg` and `.png`. Returns what was
    /// written.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Drawing`].
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io("create folder", dir))?;
        let id = &self.paper.id;
        let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
            (dir.join(format!("{id}.html")), self.html()?.into_bytes()),
            (dir.join(format!("{id}.md")), self.markdown().into_bytes()),
            (dir.join(format!("{id}.tex")), self.latex().into_bytes()),
            (dir.join(format!("{id}.csv")), self.csv().into_bytes()),
        ];
        if let Some(forest) = self.forest() {
            let drawn = forest.draw(&format!("{id}-claims"))?;
            files.push((dir.join(format!("{id}-claims.svg")), drawn.svg.into_bytes()));
            files.push((dir.join(format!("{id}-claims.png")), drawn.png));
        }
        for (file, bytes) in &files {
            std::fs::write(file, bytes).map_err(Error::io("write", file))?;
        }
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }

    fn source(&self) -> String {
        let paper = &self.paper;
        format!(
            "{}, {}. {}",
            paper.paper.trim_end_matches('.'),
            paper.table,
            paper.url
        )
    }

    fn sheets(&self) -> Vec<(&'static str, Sheet)> {
        let mut sheets = vec![("cells", self.cell_sheet())];
        if !self.agreement.tasks.is_empty() {
            sheets.push(("rankings", self.ranking_sheet()));
        }
        if !self.claims.is_empty() {
            sheets.push(("claims", self.claim_sheet()));
        }
        sheets.push(("methods", self.method_sheet()));
        sheets
    }

    /// What has to be said beside the figures.
    fn words(&self) -> Vec<String> {
        let paper = &self.paper;
        let mut notes = vec![
            format!("Protocol of the paper: {}", paper.protocol),
            format!("Source of its figures: {}", paper.seen),
        ];
        notes.extend(
            paper
                .deviations
                .iter()
                .map(|d| format!("Ours differs: {d}")),
        );
        notes.extend(paper.missing.iter().map(|m| format!("Not found: {m}")));
        for (fidelity, grade) in [
            (Fidelity::Ported, "The same task in another simulator"),
            (Fidelity::Remodelled, "The same skill, modelled anew"),
            (Fidelity::Analogue, "Only alike"),
        ] {
            let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
            for task in paper.tasks.iter().filter(|t| t.fidelity == Some(fidelity)) {
                by_reason.entry(&task.why).or_default().push(&task.name);
            }
            notes.extend(by_reason.iter().map(|(why, tasks)| {
                let colon = if why.is_empty() { "" } else { ": " };
                format!("{grade}, {}{colon}{why}", tasks.join(", "))
            }));
        }
        let ours = || {
            self.cells
                .iter()
                .flatten()
                .filter_map(|cell| cell.ours.as_ref())
        };
        if ours().any(|o| o.unit == Metric::Normalised.name()) {
            notes.push("Our normalised returns are 0 for our random policy and 100 for our expert (SAC on the true reward), not the paper's: a difference of the paper's size is one of as many of our points.".into());
        }
        if ours().any(Ours::preliminary) {
            notes.push(
                "† Preliminary: fewer than 3 seeds, counted neither in rankings nor for claims."
                    .into(),
            );
        }
        let unread = paper.methods.iter().any(|m| !paper.verified(m))
            || paper.claims.iter().any(|c| !c.verified);
        if unread {
            notes.push("‡ Not read in the paper itself: shown as a lead, counted neither in rankings nor in the power of a test.".into());
        }
        let mut pairs = self.claims.iter().flat_map(|tested| &tested.pairs);
        if pairs.any(|pair| !pair.counts()) {
            notes.push("§ On those of the claim's tasks that we have, no figures of the paper's own show it: this counts neither for nor against it.".into());
        }
        let failed: usize = ours().map(|o| o.failed).sum();
        if failed > 0 {
            notes.push(format!(
                "{failed} runs failed (diverged) and count as the lowest of their task, 0 at most."
            ));
        }
        notes.extend(once(&self.notes).into_iter().cloned());
        notes
    }

    /// The differences that claims are about, the paper's and ours; `None` if none is known of ours.
    pub(crate) fn forest(&self) -> Option<Forest> {
        let mut rows = Vec::new();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for (style, tested) in self.claims.iter().enumerate() {
            // The verdict is the claim's: of several pairs, one may have decided it.
            let verdict = match tested.pairs.len() {
                1 => tested.verdict.name().to_owned(),
                pairs => format!("claim of {pairs}: {}", tested.verdict.name()),
            };
            for pair in &tested.pairs {
                let Some(estimate) = pair.ours else { continue };
                rows.push(Row {
                    label: self.name(pair),
                    note: format!(
                        "{verdict}, {} task{}",
                        pair.tasks.len(),
                        if pair.tasks.len() == 1 { "" } else { "s" }
                    ),
                    style,
                });
                theirs.push(pair.theirs.map(|value| Estimate {
                    value,
                    interval: None,
                }));
                ours.push(Some(estimate));
            }
        }
        // One range for both, so that equal lengths are equal differences.
        let ends = theirs.iter().chain(&ours).flatten().flat_map(|dot| {
            let interval = dot.interval.map_or([dot.value; 2], |i| [i.low, i.high]);
            [dot.value, interval[0], interval[1]]
        });
        let [low, high] = ends.fold([0.0, 0.0], |[low, high]: [f64; 2], x| {
            [low.min(x), high.max(x)]
        });
        let room = 0.04 * (high - low);
        let panel = |title: &str, dots: Vec<Option<Estimate>>| Panel {
            title: title.into(),
            x: "difference, points of 100".into(),
            range: Some([low - room, high + room]),
            mark: Some(0.0),
            decimals: 1,
            dots,
        };
        (!rows.is_empty()).then(|| Forest {
            title: format!("Claims of {}", self.paper.id),
            tag: format!("tier {}", self.tier),
            how: format!(
                "Difference of means over tasks; bars are {} % bootstrap intervals",
                100.0 * self.level
            ),
            alt: "Differences between methods, as published and ours".into(),
            rows,
            panels: match theirs.iter().any(Option::is_some) {
                true => vec![panel("paper", theirs), panel("ours", ours)],
                false => vec![panel("ours; no figures of the paper's were read", ours)],
            },
        })
    }
}
