//! Any text as a filter: reading, completing and explaining it neither panic nor take memory without end, and what is an
//! expression reads back from its own text.
#![no_main]

use flow::{
    Filter, FlowRecord,
    config::Mode,
    filter::complete,
    rules::{Sets, Subject, verdict},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u8, &str)| {
    let (text, cursor, json) = input;
    let _ = complete(text, cursor.into(), &|_| vec!["web 1".to_owned()]);
    let _ = Filter::typed(text);
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.text.get(error.span.clone()).is_some());
            assert_eq!(error.pointed().lines().count(), 2);
            return;
        }
    };
    assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    let split = filter.split(Mode::Packets);
    let _ = filter.explain(Mode::Flows);
    let Ok(record) = serde_json::from_str::<FlowRecord>(json) else { return };
    // What a fuzzer writes into a record need not be a packet that there can be: only that it is judged at all counts.
    let sets = vec![Vec::new(); split.sets.len()];
    let _ = verdict(&split.rules, &Sets::new(&sets), &Subject::from(&record));
    let _ = filter.matches(&record);
});
