//! Which columns fit, and how wide each is.

use super::column::Column;

/// Cells between two columns.
pub const GAP: u16 = 1;

/// The columns that fit into `width` cells, in their order: those of lowest rank go first, and what is left does not
/// depend on anything but `columns` and `width`. At least one stays.
pub fn fit(columns: &[Column], width: u16) -> Vec<Column> {
    let mut by_rank: Vec<_> = (0..columns.len()).collect();
    by_rank.sort_by_key(|at| columns[*at].rank());
    let mut keep = vec![false; columns.len()];
    let mut used = 0;
    for at in by_rank {
        let more = columns[at].width() + if used == 0 { 0 } else { GAP };
        if used > 0 && used + more > width {
            break;
        }
        used += more;
        keep[at] = true;
    }
    columns.iter().zip(keep).filter_map(|(column, keep)| keep.then_some(*column)).collect()
}

/// Widths of `columns` that fit (see [`fit`]): room that is left goes to flexible columns whose text `wants` more, the
/// same share to each until it has what it wants. What then is left stays empty, unless the last column is flexible.
pub fn widths(columns: &[Column], wants: &[u16], width: u16) -> Vec<u16> {
    let mut widths: Vec<_> = columns.iter().map(|column| column.width()).collect();
    if let [only] = widths.as_mut_slice() {
        *only = width.min((*only).max(wants.first().copied().unwrap_or_default()));
    }
    let gaps = GAP * columns.len().saturating_sub(1) as u16;
    let mut left = width.saturating_sub(widths.iter().sum::<u16>() + gaps);
    loop {
        let hungry = |at: &usize| columns[*at].is_flexible() && widths[*at] < wants.get(*at).copied().unwrap_or(0);
        let hungry: Vec<_> = (0..columns.len()).filter(hungry).collect();
        if hungry.is_empty() || left == 0 {
            break;
        }
        let share = (left / hungry.len() as u16).max(1);
        for at in hungry {
            let more = share.min(wants[at] - widths[at]).min(left);
            widths[at] += more;
            left -= more;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::view::display::{Display, Enrichment, Shape, columns};

    #[test]
    fn eighty_cells_show_both_ends_protocol_and_volume() {
        let fitting = fit(&columns(Display::Standard, Enrichment::IpPort, Shape::Flows), 78);
        let labels: Vec<_> = fitting.iter().map(|column| column.label()).collect();
        assert_eq!(labels, ["Src IP", "SPort", "Dst IP", "DPort", "Proto", "Bytes/s", "Bytes", "Packets"]);
    }

    #[test]
    fn eighty_cells_show_what_a_feature_is_asked_for() {
        let labels = |display, shape| {
            let fitting = fit(&columns(display, Enrichment::IpPort, shape), 78);
            fitting.iter().map(|column| column.label()).collect::<Vec<_>>().join(" ")
        };
        let ends = "Src IP SPort Dst IP DPort Proto";
        for (display, expected) in [
            (Display::PacketDrops, "Drops Drop Cause"),
            (Display::Dns, "DNS Name Response Latency"),
            (Display::Rtt, "RTT Retrans Result"),
            (Display::Tls, "Server Name TLS"),
            (Display::PacketTranslation, "Xlat Dst IP XDPort"),
            (Display::Process, "Src Process Dst Process"),
        ] {
            assert_eq!(labels(display, Shape::Flows), format!("{ends} {expected}"));
        }
        let tied = labels(Display::Standard, Shape::Conversations { health: true });
        assert_eq!(tied, format!("{ends} Sent Received RTT"));
        let tied = labels(Display::Standard, Shape::Conversations { health: false });
        assert_eq!(tied, format!("{ends} Sent Received Duration"));
    }

    #[test]
    fn more_room_goes_to_those_who_want_it() {
        let columns = fit(&columns(Display::Standard, Enrichment::IpPort, Shape::Flows), 78);
        let wants = [39, 5, 15, 5, 4, 7, 6, 7];
        assert_eq!(widths(&columns, &wants, 100)[0], 39);
        assert_eq!(widths(&columns, &wants, 78)[0], 20);
    }

    proptest! {
        #[test]
        fn columns_never_exceed_the_width_and_only_grow_in_number(display in 0usize..12, tied in proptest::bool::ANY, enrichment in 0usize..11, width in 1u16..300, wants in proptest::collection::vec(0u16..300, 0..90)) {
            let shape = if tied { Shape::Conversations { health: true } } else { Shape::Flows };
            let all = columns(Display::ALL[display], Enrichment::ALL[enrichment], shape);
            let fitting = fit(&all, width);
            let sum = widths(&fitting, &wants, width).iter().sum::<u16>() + GAP * (fitting.len() as u16 - 1);
            prop_assert!(sum <= width || fitting.len() == 1);
            prop_assert!(fit(&all, width + 1).len() >= fitting.len());
        }
    }
}
