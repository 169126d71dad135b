//! What pages of HTML have in common. They need nothing else: no network, no script.

use crate::plot::escaped;

/// A page up to its header's end, which the caller may add to and has to close.
pub(crate) fn beginning(kicker: &str, title: &str, subject: &str, verdict: &str) -> String {
    let [kicker, title, subject, verdict] = [kicker, title, subject, verdict].map(escaped);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n\
         <p class=\"kicker\">{kicker}</p>\n<h1>{title}</h1>\n<p class=\"subject\">{subject}</p>\n\
         <p class=\"verdict\">{verdict}</p>\n",
        include_str!("page.css"),
    )
}

/// The end of a page, whose `<main>` is open.
pub(crate) fn end() -> String {
    format!(
        "</main>\n<footer>Made by prefbench-results {}. Statistics after Agarwal et al., “Deep \
         Reinforcement Learning at the Edge of the Statistical Precipice”, 2021. Nothing on this page is \
         loaded from elsewhere.</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}
