//! What people type, put into the one form that the parser knows. NetObserv's commands spell options with `_`, leave
//! the dashes away (`protocol=TCP`), use the bare words `help` and `or`, and once took `packets tcp,80`.
//!
//! Pure: words in, words out. Which options there are, and which take a value, comes from the parser's own table.

use clap::{Arg, Command, builder::ValueRange};

/// The words after the program's name in canonical form: `--key=value` with `-` in keys.
///
/// Words that it does not understand stay as they are; the parser will name them.
pub fn normalize(words: Vec<String>, root: &Command) -> Vec<String> {
    let mut words = words.into_iter().peekable();
    let mut done = Vec::new();
    let mut command = root;
    while let Some(word) = words.next() {
        if word == "--" {
            done.push(word);
            done.extend(words);
            break;
        }
        if let Some(option) = word.strip_prefix("--") {
            let word = long(option);
            let arg = find(command, word.trim_start_matches("--"));
            let next = words.peek().map(String::as_str);
            match arg.map(|arg| following(arg, &word, next)) {
                Some(Following::Value) => done.extend([word].into_iter().chain(words.next())),
                Some(Following::Choice) => done.push(format!("{word}={}", words.next().unwrap_or_default())),
                Some(Following::Nothing) | None => done.push(word),
            }
        } else if word.starts_with('-') {
            let value = short_takes_next(command, &word);
            done.push(word);
            done.extend(value.then(|| words.next()).flatten());
        } else if std::ptr::eq(command, root) {
            command = root.find_subcommand(&word).unwrap_or(root);
            done.push(word);
        } else {
            done.extend(bare(word, command));
        }
    }
    done
}

/// `enable_rtt=true` as `--enable-rtt=true`: the value is nobody's business here.
fn long(option: &str) -> String {
    match option.split_once('=') {
        Some((key, value)) => format!("--{}={value}", key.replace('_', "-")),
        None => format!("--{}", option.replace('_', "-")),
    }
}

enum Following {
    /// The next word is the option's value, whatever it looks like.
    Value,
    /// The next word is one of the values of an option that may stand alone: `--local true`.
    Choice,
    Nothing,
}

fn following(arg: &Arg, word: &str, next: Option<&str>) -> Following {
    let takes = takes(arg);
    match () {
        () if word.contains('=') || takes.max_values() == 0 => Following::Nothing,
        () if takes.min_values() > 0 => Following::Value,
        () if next.is_some_and(|next| arg.get_possible_values().iter().any(|value| value.matches(next, false))) => {
            Following::Choice
        }
        () => Following::Nothing,
    }
}

fn short_takes_next(command: &Command, word: &str) -> bool {
    let mut letters = word.chars().skip(1);
    let (Some(letter), None) = (letters.next(), letters.next()) else { return false };
    let arg = command.get_arguments().find(|arg| arg.get_short() == Some(letter));
    arg.is_some_and(|arg| takes(arg).min_values() > 0)
}

/// How many values an option takes: one, if its declaration does not say.
pub(crate) fn takes(arg: &Arg) -> ValueRange {
    if arg.get_action().takes_values() { arg.get_num_args().unwrap_or_default() } else { ValueRange::EMPTY }
}

/// A word without dashes after a command: an option of a filter, or the name of a file.
fn bare(word: String, command: &Command) -> Vec<String> {
    if word == "help" {
        return vec!["--help".to_owned()];
    }
    if word == "or" || find(command, "protocol").is_none() {
        return vec![word];
    }
    let takes_file = command.get_positionals().any(|arg| arg.get_id() == "file");
    let known = find(command, &word.split('=').next().unwrap_or_default().replace('_', "-"));
    if let Some((key, _)) = word.split_once('=') {
        // Where there are no files, a word like this is a mistyped option, and the parser will say which one it resembles.
        let is_option = known.is_some() || (is_key(key) && !takes_file);
        return if is_option { vec![long(&word)] } else { vec![word] };
    }
    if let Some((protocol, port)) = word.split_once(',').filter(|_| !takes_file) {
        return vec![format!("--protocol={protocol}"), format!("--port={port}")];
    }
    let flag = known.is_some_and(|arg| takes(arg).min_values() == 0);
    if flag { vec![long(&word)] } else { vec![word] }
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let name = name.split('=').next()?;
    let is_named = |arg: &&Arg| {
        let mut aliases = arg.get_all_aliases().into_iter().flatten();
        arg.get_long() == Some(name) || aliases.any(|alias| alias == name)
    };
    command.get_arguments().find(is_named)
}

/// The words without what nobody else may read: they are kept in files and on the cluster.
pub fn without_secrets(mut words: Vec<String>) -> Vec<String> {
    let mut is_secret = false;
    for word in &mut words {
        if std::mem::replace(&mut is_secret, word == "--token" || word == "token") {
            "***".clone_into(word);
        } else if let Some((option, _)) =
            word.split_once('=').filter(|(option, _)| option.trim_start_matches('-') == "token")
        {
            *word = format!("{option}=***");
        }
    }
    words
}

#[cfg(test)]
mod tests;
