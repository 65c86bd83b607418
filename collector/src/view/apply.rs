//! What each command does to the state.

use flow::config::Mode;

use super::{
    Command, Data, Effect, Filters, Key, Open, Sort, View,
    column::Column,
    complete::Completion,
    keys,
    menu::{Kind, Menu},
    picture::Anchor,
    rows,
    tied::Tied,
};

impl View {
    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Effect {
        keys::command(self.mode(), key).map_or(Effect::None, |command| self.apply(command))
    }

    /// Does `command`.
    pub fn apply(&mut self, command: Command) -> Effect {
        self.refresh_now();
        match command {
            Command::Quit => return Effect::Quit,
            Command::Suspend => return Effect::Suspend,
            Command::Redraw => return Effect::Redraw,
            Command::Record => return Effect::Record,
            Command::Save => return Effect::Save,
            Command::Export => return Effect::Export { open: false },
            Command::OpenExport => return Effect::Export { open: true },
            Command::Help => self.toggle_help(),
            Command::Pause => self.pause(),
            Command::Type(c) => self.type_on(|filters| filters.push(c)),
            Command::Rub => self.type_on(Filters::rub),
            Command::RubWord => self.type_on(Filters::rub_word),
            Command::ClearLine => self.type_on(Filters::clear_line),
            Command::Complete => self.complete(),
            Command::KeepFilter => self.keep_filter(),
            Command::FocusFilter => self.in_filter = true,
            Command::FocusTable => self.in_filter = false,
            // A packet has no display and no enrichment, so the keys of the cycle turn pages.
            Command::NextEnrichment if self.kind() == Mode::Packets => self.go(self.page as isize),
            Command::PreviousEnrichment if self.kind() == Mode::Packets => self.go(-(self.page as isize)),
            Command::NextDisplay => self.columns.turn_display(1),
            Command::PreviousDisplay => self.columns.turn_display(-1),
            Command::NextEnrichment => self.columns.turn_enrichment(1),
            Command::PreviousEnrichment => self.columns.turn_enrichment(-1),
            Command::Details => self.open_details(),
            Command::SortMenu => self.open_menu(Kind::Sort, self.columns.chosen(), Some(self.sort().column)),
            Command::Conversations => self.toggle_conversations(),
            Command::ColumnMenu => self.open_menu(Kind::Columns, self.columns.available(), None),
            Command::Reverse => self.sort_by(self.sort().column),
            Command::Choose => self.choose(),
            Command::Toggle => self.tick_entry(),
            Command::Preset => self.preset(),
            Command::Close => self.open = None,
            Command::Release => self.release(),
            Command::Up => self.go(-1),
            Command::Down => self.go(1),
            Command::PageUp => self.go(-(self.page as isize)),
            Command::PageDown => self.go(self.page as isize),
            Command::Top => self.go_to_end(Anchor::Top),
            Command::Bottom => self.go_to_end(Anchor::Bottom),
        }
        Effect::None
    }

    fn toggle_help(&mut self) {
        self.open = if matches!(self.open, Some(Open::Help)) { None } else { Some(Open::Help) };
        self.scroll = 0;
    }

    /// Holds the picture, or goes on with what has come meanwhile.
    fn pause(&mut self) {
        if self.held.take().is_none() {
            self.held = Some(self.rows().clone());
        } else {
            self.ranking.replace(rows(&self.data, self.tied.as_ref(), None));
        }
    }

    /// Both directions of a connection become one row, or two again. A picture that is held goes on.
    pub(super) fn toggle_conversations(&mut self) {
        let Data::Flows(flows) = &self.data else { return };
        self.held = None;
        self.tied = match self.tied {
            Some(_) => None,
            None => Some(Tied::new(self.settings.pace, self.settings.max_flows, &flows.rows)),
        };
        self.columns.tie(self.tied.is_some());
        self.release();
        self.ranking.replace(rows(&self.data, self.tied.as_ref(), None));
    }

    /// Changes the filters, and judges all rows anew if they are others now.
    fn filter(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.filters.parsed().to_vec();
        change(self);
        if self.filters.parsed() != before {
            self.ranking.set_filters(self.filters.parsed().to_vec());
        }
    }

    /// Changes the line; a list of candidates that is open shows those for the new one.
    fn type_on(&mut self, change: impl FnOnce(&mut Filters)) {
        self.filter(|view| change(&mut view.filters));
        if matches!(self.open, Some(Open::Completion(_))) {
            self.open = self.completion().map(Open::Completion);
        }
    }

    fn completion(&self) -> Option<Completion> {
        let line = self.filters.line();
        if line.trim().is_empty() { None } else { Completion::of(line, self.rows()) }
    }

    /// Opens the list of candidates; takes the only one; gives the keyboard to the table if there is none.
    fn complete(&mut self) {
        match self.completion() {
            None => self.in_filter = false,
            Some(completion) if completion.candidates.len() == 1 => self.take(&completion),
            Some(completion) => self.open = Some(Open::Completion(completion)),
        }
    }

    fn take(&mut self, completion: &Completion) {
        if let Some(text) = completion.chosen() {
            self.filter(|view| view.filters.replace_from(completion.start, &text));
        }
    }

    fn keep_filter(&mut self) {
        let mut kept = false;
        self.filter(|view| kept = view.filters.keep());
        if !kept {
            self.in_filter = false;
        }
    }

    fn open_details(&mut self) {
        if let Some((slot, row)) = self.selected() {
            self.open = Some(Open::Details { row, slot });
            self.scroll = 0;
        }
    }

    fn open_menu(&mut self, kind: Kind, entries: Vec<Column>, current: Option<Column>) {
        self.open = Some(Open::Menu(Menu::new(kind, entries, current)));
    }

    fn choose(&mut self) {
        let menu = match self.open.take() {
            Some(Open::Menu(menu)) => menu,
            Some(Open::Completion(completion)) => return self.take(&completion),
            _ => return,
        };
        match (menu.kind, menu.entry()) {
            (Kind::Sort, Some(column)) => self.sort_by(column),
            (Kind::Columns, _) | (Kind::Sort, None) => {}
        }
    }

    fn tick_entry(&mut self) {
        match &self.open {
            Some(Open::Menu(menu)) if menu.kind == Kind::Columns => {
                if let Some(column) = menu.entry() {
                    self.columns.toggle(column);
                }
            }
            _ => self.choose(),
        }
    }

    fn preset(&mut self) {
        self.columns.preset();
        if let Some(Open::Menu(menu)) = &mut self.open
            && menu.kind == Kind::Columns
        {
            *menu = Menu::new(Kind::Columns, self.columns.available(), menu.entry());
        }
    }

    /// Sorts by `column`: numbers from the largest, texts from the smallest, and the other way round the second time.
    fn sort_by(&mut self, column: Column) {
        let now = self.sort();
        let descending = if now.column == column { !now.descending } else { column.is_number() };
        let rows = rows(&self.data, self.tied.as_ref(), self.held.as_ref());
        self.ranking.set_sort(Sort { column, descending }, rows);
    }

    fn go(&mut self, by: isize) {
        match &mut self.open {
            Some(Open::Menu(menu)) => menu.step(by),
            Some(Open::Completion(completion)) => completion.step(by),
            Some(Open::Help | Open::Details { .. }) => self.scroll = self.scroll.saturating_add_signed(by),
            None => self.step(by),
        }
    }

    fn go_to_end(&mut self, end: Anchor) {
        match &mut self.open {
            Some(Open::Menu(menu)) => menu.step(if end == Anchor::Top { isize::MIN } else { isize::MAX }),
            _ => self.anchor_to(end),
        }
    }

    /// What is open has `lines` and the screen room for `page` of them: scrolling ends there.
    pub fn bound_scroll(&mut self, lines: usize, page: usize) {
        self.scroll = self.scroll.min(lines.saturating_sub(page));
    }
}
