//! The page about the language has every name and only expressions that parse.

use super::*;

const PAGE: &str = include_str!("../../../../docs/filter.md");

/// With `UPDATE_DOCS` set the table is written anew.
#[test]
fn the_table_of_names_is_that_of_the_code() {
    let (text, table) =
        PAGE.split_once("\n| name | ends |").map_or((PAGE, ""), |(text, _)| (text, &PAGE[text.len() + 1..]));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/filter.md");
        std::fs::write(path, format!("{}\n\n{}", text.trim_end(), names::table())).unwrap();
        return;
    }
    assert!(table == names::table(), "docs/filter.md: run this test again with UPDATE_DOCS=1");
}

#[test]
fn every_expression_on_the_page_parses() {
    let blocks = PAGE.split("```filter\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let mut count = 0;
    for line in blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        let text = line.split("   # ").next().unwrap_or(line);
        assert!(Filter::parse(text).is_ok(), "{text}: {:?}", Filter::parse(text));
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn the_explanation_on_the_page_is_what_is_said() {
    let (_, example) = PAGE.split_once("--explain --filter '").unwrap();
    let (text, rest) = example.split_once("'\n").unwrap();
    let (said, _) = rest.split_once("```").unwrap();
    assert_eq!(Filter::parse(text).unwrap().explain(Mode::Flows), said);
}
