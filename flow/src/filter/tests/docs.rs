//! The page about the language has every name and only expressions that parse.

use super::*;

const PAGE: &str = include_str!("../../../../docs/filter.md");

#[test]
fn every_name_is_on_the_page() {
    for name in names::NAMES {
        for spelling in name.names {
            assert!(PAGE.contains(&format!("`{spelling}`")), "docs/filter.md lacks `{spelling}`");
        }
    }
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
