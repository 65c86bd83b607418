//! The live text filter: what is typed above the table narrows its rows.
//!
//! Words separated by spaces must all be found, in any case, in some shown text of a row; `"..."` makes one word of
//! several; `-word` and `!word` must not be found; `Field:value` and `Field=value` look at that field only. The full
//! filter language is another thing and lives elsewhere; nothing typed here is ever an error.

use crate::schema::Field;

/// Most words of a filter; what is typed beyond them is not looked at.
pub const MAX_WORDS: usize = 64;

/// A parsed text filter. The default one takes every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFilter {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// In lower case.
    text: String,
    /// Look at this field only.
    field: Option<Field>,
    excluded: bool,
}

impl TextFilter {
    /// Reads what was typed; half-typed input is fine (an open quote lasts to the end).
    pub fn parse(text: &str) -> Self {
        Self { words: split(text).iter().filter_map(Word::parse).take(MAX_WORDS).collect() }
    }

    /// Whether it takes every row.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a row with these texts passes. A word that names a field is looked for in all of them.
    pub fn matches<'a>(&self, haystack: impl Iterator<Item = &'a str>) -> bool {
        self.search(haystack.map(|text| (Place::Unknown, text)))
    }

    /// Whether a row with these cells passes; cells that are no field of the record (rates, say) come with `None`.
    pub fn matches_cells<'a>(&self, cells: impl Iterator<Item = (Option<Field>, &'a str)>) -> bool {
        self.search(cells.map(|(field, text)| (field.map_or(Place::NoField, Place::Field), text)))
    }

    /// Each word in lower case, the field that it is looked for in, and whether it must not be found.
    pub(crate) fn words(&self) -> impl Iterator<Item = (&str, Option<Field>, bool)> {
        self.words.iter().map(|word| (word.text.as_str(), word.field, word.excluded))
    }

    fn search<'a>(&self, texts: impl Iterator<Item = (Place, &'a str)>) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut found = 0_u64;
        for (place, text) in texts {
            for (index, word) in self.words.iter().enumerate() {
                if found & (1 << index) == 0 && word.is_for(place) && contains(text, &word.text) {
                    found |= 1 << index;
                }
            }
        }
        self.words.iter().enumerate().all(|(index, word)| (found & (1 << index) != 0) != word.excluded)
    }
}

impl Word {
    fn parse(raw: &Raw) -> Option<Self> {
        let text = raw.text.to_lowercase();
        let unsigned = if raw.quoted_at == Some(0) { None } else { text.strip_prefix(['-', '!']) };
        // A lone sign is the beginning of something, not yet a word.
        let (excluded, text) = unsigned.map_or((false, text.as_str()), |rest| (true, rest));
        let signs = usize::from(excluded);
        let colon = text.find([':', '=']).filter(|at| raw.quoted_at.is_none_or(|quote| at + signs < quote));
        let field = colon.and_then(|at| field_by_name(&text[..at]).map(|field| (field, &text[at + 1..])));
        let (field, text) = field.map_or((None, text), |(field, value)| (Some(field), value));
        (!text.is_empty()).then(|| Self { text: text.to_owned(), field, excluded })
    }

    fn is_for(&self, place: Place) -> bool {
        match (self.field, place) {
            (None, _) | (Some(_), Place::Unknown) => true,
            (Some(asked), Place::Field(field)) => asked == field,
            (Some(_), Place::NoField) => false,
        }
    }
}

/// A field by its name in any case, or by the heading of its column without spaces.
fn field_by_name(lower: &str) -> Option<Field> {
    let heading = |field: &Field| field.label().to_lowercase().replace(' ', "") == lower;
    let named = |field: &&Field| field.name().eq_ignore_ascii_case(lower);
    Field::ALL.iter().find(named).or_else(|| Field::ALL.iter().find(|field| heading(field))).copied()
}

/// Where a text of a row stands.
#[derive(Clone, Copy)]
enum Place {
    /// Its field is not known.
    Unknown,
    /// It is no field of the record.
    NoField,
    /// It is this field.
    Field(Field),
}

/// A word before its signs are read; where in it quoted text begins, bytes.
struct Raw {
    text: String,
    quoted_at: Option<usize>,
}

fn split(text: &str) -> Vec<Raw> {
    let mut words = Vec::new();
    let mut word = Raw { text: String::new(), quoted_at: None };
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.quoted_at.get_or_insert(word.text.len());
            }
            c if c.is_whitespace() && !quoted => {
                words.push(std::mem::replace(&mut word, Raw { text: String::new(), quoted_at: None }));
            }
            c => word.text.push(c),
        }
    }
    words.push(word);
    words
}

/// Whether `text` contains `needle` (lower case) in any case; no allocation where both are ASCII.
pub(crate) fn contains(text: &str, needle: &str) -> bool {
    if text.is_ascii() {
        let windows = text.as_bytes().windows(needle.len());
        return windows.into_iter().any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
    }
    text.to_lowercase().contains(needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [(Field, &str); 4] = [
        (Field::SrcAddr, "10.0.0.1"),
        (Field::SrcPort, "8080"),
        (Field::DstAddr, "fe80::1"),
        (Field::SrcK8S_Name, "Front End"),
    ];

    fn passes(filter: &str) -> bool {
        TextFilter::parse(filter).matches_cells(ROW.iter().map(|(field, text)| (Some(*field), *text)))
    }

    #[test]
    fn all_words_must_be_found_in_any_case() {
        assert!(passes("") && passes("10.0 front") && passes("FRONT  8080"));
        assert!(!passes("10.0 back"));
    }

    #[test]
    fn quotes_make_one_word_of_several_and_take_signs_as_text() {
        assert!(passes("\"front end\"") && passes("\"front en") && !passes("\"end front\""));
        assert!(!passes("\"-8080\"") && !passes("\"SrcPort:8080\""));
        assert!(passes("SrcK8S_Name:\"front end\""));
    }

    #[test]
    fn signs_exclude() {
        assert!(!passes("-front") && !passes("!front") && passes("-back") && passes("front -back"));
        assert!(passes("-") && passes("!"));
        assert!(!passes("-SrcPort:8080") && passes("-DstPort:8080"));
    }

    #[test]
    fn a_field_name_narrows_to_that_field() {
        assert!(passes("SrcPort:80") && passes("srcport=8080") && passes("SrcIP:10.0"));
        assert!(!passes("DstAddr:10.0"));
        assert!(passes("SrcPort:"), "half typed");
    }

    #[test]
    fn what_only_looks_like_a_field_is_text() {
        assert!(passes("fe80::1") && !passes("fe80::2"));
        assert!(TextFilter::parse("10.0.0.1:80").matches(["10.0.0.1:8080"].into_iter()));
    }

    #[test]
    fn without_fields_a_value_is_looked_for_everywhere() {
        assert!(TextFilter::parse("SrcPort:80").matches(["a", "8080"].into_iter()));
        assert!(TextFilter::parse("ÄPFEL").matches(["zwei äpfel"].into_iter()));
    }
}
