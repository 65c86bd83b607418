//! What our terminal can do, told to the command in the container, which sees nothing of our environment.

use std::env;

/// What is told. `exec` passes no environment, so it travels as arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// `TERM`; `xterm-256color` where it is not set (Windows).
    pub(crate) term: String,
    /// How many colours are wanted and understood.
    pub(crate) colours: Colours,
    /// Whether text beyond ASCII is understood.
    pub(crate) utf8: bool,
    /// Columns and rows, for the first screen.
    pub(crate) size: Option<(u16, u16)>,
}

/// Colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// None, or none wanted.
    None,
    /// The eight of ECMA-48, and their bright ones.
    Basic,
    /// The 256 of xterm.
    Palette,
    /// 24 bits.
    True,
}

impl Colours {
    /// As an argument.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "16",
            Self::Palette => "256",
            Self::True => "true",
        }
    }
}

impl Abilities {
    /// Those of our terminal; `colour` is false where the user wants none.
    pub(crate) fn ours(colour: bool) -> Self {
        let found = Self::of(colour, |name| env::var(name).ok().filter(|value| !value.is_empty()));
        Self { size: crossterm::terminal::size().ok(), ..found }
    }

    fn of(colour: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_else(|| "xterm-256color".into());
        let colours = if colour { colours(&term, variable("COLORTERM").as_deref()) } else { Colours::None };
        Self { term, colours, utf8: is_utf8(variable), size: None }
    }

    /// `--term T --colours N [--ascii] [--size COLUMNSxROWS]`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut words = vec!["--term".into(), self.term.clone(), "--colours".into(), self.colours.name().into()];
        if !self.utf8 {
            words.push("--ascii".into());
        }
        if let Some((columns, rows)) = self.size {
            words.extend(["--size".into(), format!("{columns}x{rows}")]);
        }
        words
    }
}

fn colours(term: &str, colorterm: Option<&str>) -> Colours {
    match (term, colorterm) {
        ("dumb", _) => Colours::None,
        (_, Some("truecolor" | "24bit")) => Colours::True,
        _ if term.ends_with("-direct") => Colours::True,
        _ if term.contains("256color") || term.starts_with("xterm-kitty") => Colours::Palette,
        _ => Colours::Basic,
    }
}

/// The first of these that is set decides (POSIX); where none is, a console of Windows understands it and `C` does not.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.map_or(cfg!(not(unix)), |name| {
        let name = name.to_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)], colour: bool) -> String {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Abilities::of(colour, find).arguments().join(" ")
    }

    #[test]
    fn the_environment_becomes_arguments() {
        let usual = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "de_AT.UTF-8")];
        assert_eq!(with(&usual, true), "--term xterm-256color --colours true");
        assert_eq!(with(&usual, false), "--term xterm-256color --colours none");
        assert_eq!(with(&[("TERM", "linux"), ("LANG", "C.utf8")], true), "--term linux --colours 16");
        assert_eq!(
            with(&[("TERM", "screen-256color"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")], true),
            "--term screen-256color --colours 256 --ascii"
        );
        assert_eq!(with(&[("TERM", "dumb"), ("LANG", "C.UTF-8")], true), "--term dumb --colours none");
    }
}
