//! A table and its caption, independent of their form: for terminals, as Markdown, LaTeX and HTML.

use std::fmt::Write as _;

use crate::plot::escaped;
use crate::stats::Estimate;
use crate::table::Grid;

/// A table: words first, then figures.
pub(crate) struct Sheet {
    pub caption: String,
    /// Columns of words; the others hold figures.
    pub words: usize,
    pub head: Vec<String>,
    pub rows: Vec<Vec<Entry>>,
}

/// What stands in one place of a table.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub text: String,
    /// Beside the text, smaller: an interval.
    pub aside: String,
    pub strong: bool,
}

impl Entry {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A figure and its interval; what is missing is a dash.
    pub(crate) fn of(estimate: Option<Estimate>, decimals: usize) -> Self {
        let Some(estimate) = estimate else {
            return Self::plain("–");
        };
        let [text, aside] = estimate.spelled(decimals);
        Self {
            text,
            aside,
            strong: false,
        }
    }
}

impl Sheet {
    fn grid(&self, cell: impl Fn(&Entry) -> String, name: fn(&str) -> String) -> Grid {
        let head: Vec<String> = self.head.iter().map(|head| name(head)).collect();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let (names, figures) = head.split_at(self.words);
        let mut grid = Grid::new(names, figures);
        for row in &self.rows {
            grid.row(row.iter().map(&cell));
        }
        grid
    }

    /// The caption where marks are bold.
    fn in_bold(&self) -> String {
        self.caption.replace("Marked:", "In bold:")
    }

    pub(crate) fn terminal(&self) -> String {
        let cell = |entry: &Entry| {
            let star = if entry.strong { "*" } else { "" };
            spaced(format!("{}{star}", entry.text), &entry.aside)
        };
        format!(
            "{}\n\n{}",
            self.caption.replace("Marked:", "Marked by *:"),
            self.grid(cell, str::to_owned).terminal()
        )
    }

    pub(crate) fn markdown(&self) -> String {
        let cell = |entry: &Entry| {
            let text = markdown(&entry.text);
            let text = if entry.strong {
                format!("**{text}**")
            } else {
                text
            };
            spaced(text, &markdown(&entry.aside))
        };
        format!(
            "{}\n{}\n",
            self.grid(cell, markdown).markdown(),
            markdown(&self.in_bold())
        )
    }

    pub(crate) fn latex(&self, label: &str) -> String {
        let columns = "l".repeat(self.words) + &"r".repeat(self.head.len() - self.words);
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        // Braces: a row that began with a bracket would be read as an option of the line before.
        let cell = |entry: &Entry| {
            let command = if entry.strong { "\\textbf" } else { "" };
            let text = format!("{command}{{{}}}", latex(&entry.text));
            match &*entry.aside {
                "" => text,
                aside => format!("{text} {{\\scriptsize {}}}", latex(aside)),
            }
        };
        let head = line(self.head.iter().map(|head| latex(head)).collect());
        let rows = self.rows.iter();
        let rows = rows.map(|row| line(row.iter().map(cell).collect()));
        format!(
            "\\begin{{table}}\n  \\centering\\small\n  \\caption{{{}}}\n  \\label{{tab:{label}}}\n  \
             \\begin{{tabular}}{{{columns}}}\n    \\toprule\n{head}    \\midrule\n{}    \
             \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            latex(&self.in_bold()).replace(" \\%", "\\,\\%"),
            rows.collect::<String>()
        )
    }

    /// The table as HTML; `name` writes column heads and the first word of rows.
    pub(crate) fn html(&self, name: impl Fn(&str) -> String) -> String {
        let mut out = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
        for (i, head) in self.head.iter().enumerate() {
            let class = if i < self.words {
                ""
            } else {
                " class=\"figure\""
            };
            let _ = write!(out, "<th{class}>{}</th>", name(head));
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            out += "<tr>";
            for (i, entry) in row.iter().enumerate() {
                let _ = match i {
                    0 => write!(out, "<th>{}</th>", name(&entry.text)),
                    i if i < self.words => write!(out, "<td>{}</td>", escaped(&entry.text)),
                    _ => write!(out, "{}", cell(entry)),
                };
            }
            out += "</tr>\n";
        }
        // Beside the table, which may be wider than the page: a caption would be cut off with it.
        let caption = escaped(&self.caption);
        out + &format!("</tbody></table></div>\n<p class=\"caption\">{caption}</p>\n")
    }
}

fn spaced(text: String, aside: &str) -> String {
    match aside {
        "" => text,
        aside => format!("{text} {aside}"),
    }
}

fn cell(entry: &Entry) -> String {
    let text = escaped(&entry.text);
    let aside = match &*entry.aside {
        "" => String::new(),
        aside => format!("<small>{}</small>", escaped(aside)),
    };
    match (entry.strong, &*entry.text) {
        (true, _) => format!("<td class=\"figure strong\"><strong>{text}</strong>{aside}</td>"),
        (false, "missing") => format!("<td class=\"figure missing\">{text}</td>"),
        _ => format!("<td class=\"figure\">{text}{aside}</td>"),
    }
}

/// Text that Markdown takes as it is; a grid sees to the bars between cells.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Text that LaTeX takes as it is. Letters beyond ASCII, which depend on fonts and encoding, become
/// question marks.
pub(crate) fn latex(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '<' => out += "\\textless{}",
            '>' => out += "\\textgreater{}",
            '|' => out += "\\textbar{}",
            '"' => out += "''",
            '·' => out += "\\textperiodcentered{}",
            '−' => out += "$-$",
            '–' => out += "--",
            '±' => out += "$\\pm$",
            '†' => out += "\\textdagger{}",
            '‡' => out += "\\textdaggerdbl{}",
            '§' => out += "\\S{}",
            '…' => out += "\\ldots{}",
            c => out.push(if c.is_ascii() { c } else { '?' }),
        }
    }
    out
}
