//! Tables, views, indexes and settings of the database. The table `flow` comes from [`Field::ALL`].

use flow::{Field, Kind, schema::SCHEMA_VERSION};
use rusqlite::Connection;

/// `PRAGMA application_id`: `ocno`, so that a file of ours is known as such.
pub(crate) const APPLICATION_ID: i32 = 0x6f63_6e6f;

/// Settings while writing. The order matters: the page size before the first page, WAL before the rest.
pub(crate) fn tune(connection: &Connection) -> rusqlite::Result<()> {
    // synchronous=OFF: what is written survives the death of this process, not of the machine; a capture that the
    // machine did not survive is checked when it is opened. temp_store: indexes are sorted in memory where they fit.
    connection.execute_batch(
        "PRAGMA page_size = 16384;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = OFF;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 0;",
    )
}

/// Tables and views.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; {} {TABLES} {VIEWS} COMMIT;",
        flow_table()
    ))
}

/// `CREATE TABLE flow`: a column per field, `id`, and `Interface`, the first of `Interfaces`.
fn flow_table() -> String {
    let column = |field: &Field| [field.name(), " ", column_type(field.kind())].concat();
    let columns = Field::ALL.iter().map(column).collect::<Vec<_>>().join(", ");
    format!(
        "CREATE TABLE flow (id INTEGER PRIMARY KEY, {columns},
         Interface TEXT GENERATED ALWAYS AS (json_extract(Interfaces, '$[0]')) VIRTUAL);"
    )
}

fn column_type(kind: Kind) -> &'static str {
    match kind {
        Kind::UInt => "INTEGER",
        Kind::Ip | Kind::Mac | Kind::Text | Kind::TextList | Kind::UIntList | Kind::Events => "TEXT",
    }
}

const TABLES: &str = "
CREATE TABLE observation (
    record INTEGER NOT NULL REFERENCES flow (id),
    node TEXT, netns TEXT, interface TEXT, direction INTEGER, bytes INTEGER, packets INTEGER);
CREATE TABLE capture (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
";

/// `conversations`: both directions of a five-tuple in one row, also where the records are those of conversations already. The client
/// is who sent a SYN, where one was seen, else the end with the higher port. `drops` and `dns`: the records that tell of those.
const VIEWS: &str = "
CREATE VIEW conversations AS
WITH sided AS (
    SELECT *, (SrcAddr, IFNULL(SrcPort, 0)) <= (DstAddr, IFNULL(DstPort, 0)) AS from_a,
        CASE WHEN Bytes_AB IS NOT NULL THEN 1 WHEN Flags & 0x100 THEN 0 WHEN Flags & 0x2 THEN 1 END AS from_client,
        IFNULL(Bytes_AB, Bytes) AS sent, IFNULL(Bytes_BA, 0) AS back,
        IFNULL(Packets_AB, Packets) AS packets_sent, IFNULL(Packets_BA, 0) AS packets_back
    FROM flow WHERE SrcAddr IS NOT NULL),
paired AS (
    SELECT NetNs, Proto,
        IIF(from_a, SrcAddr, DstAddr) AS a_addr, IIF(from_a, SrcPort, DstPort) AS a_port,
        IIF(from_a, DstAddr, SrcAddr) AS b_addr, IIF(from_a, DstPort, SrcPort) AS b_port,
        MAX(IIF(from_a, SrcK8S_Namespace, DstK8S_Namespace)) AS a_namespace, MAX(IIF(from_a, SrcK8S_Name, DstK8S_Name)) AS a_name,
        MAX(IIF(from_a, DstK8S_Namespace, SrcK8S_Namespace)) AS b_namespace, MAX(IIF(from_a, DstK8S_Name, SrcK8S_Name)) AS b_name,
        IFNULL(MAX(from_client = from_a),
            IFNULL(IIF(from_a, SrcPort, DstPort), 0) >= IFNULL(IIF(from_a, DstPort, SrcPort), 0)) AS a_is_client,
        MIN(TimeFlowStartMs) AS start_ms, MAX(TimeFlowEndMs) AS end_ms,
        SUM(IIF(from_a, sent, back)) AS a_bytes, SUM(IIF(from_a, back, sent)) AS b_bytes,
        SUM(IIF(from_a, packets_sent, packets_back)) AS a_packets, SUM(IIF(from_a, packets_back, packets_sent)) AS b_packets,
        SUM(PktDropPackets) AS drops, SUM(TcpRetransmits) AS retransmits, MAX(TimeFlowRttNs) AS rtt_ns,
        GROUP_CONCAT(DISTINCT TcpResult) AS results
    FROM sided GROUP BY 1, 2, 3, 4, 5, 6)
SELECT NetNs, Proto,
    IIF(a_is_client, a_addr, b_addr) AS ClientAddr, IIF(a_is_client, a_port, b_port) AS ClientPort,
    IIF(a_is_client, b_addr, a_addr) AS ServerAddr, IIF(a_is_client, b_port, a_port) AS ServerPort,
    start_ms AS TimeFlowStartMs, end_ms AS TimeFlowEndMs,
    IIF(a_is_client, a_bytes, b_bytes) AS BytesToServer, IIF(a_is_client, b_bytes, a_bytes) AS BytesToClient,
    IIF(a_is_client, a_packets, b_packets) AS PacketsToServer, IIF(a_is_client, b_packets, a_packets) AS PacketsToClient,
    IIF(a_is_client, a_namespace, b_namespace) AS ClientNamespace, IIF(a_is_client, a_name, b_name) AS ClientName,
    IIF(a_is_client, b_namespace, a_namespace) AS ServerNamespace, IIF(a_is_client, b_name, a_name) AS ServerName,
    drops AS PktDropPackets, retransmits AS TcpRetransmits, rtt_ns AS TimeFlowRttNs, results AS TcpResult
FROM paired;
CREATE VIEW drops AS
SELECT TimeFlowStartMs, TimeFlowEndMs, NetNs, Proto, SrcAddr, SrcPort, DstAddr, DstPort, PktDropPackets, PktDropBytes,
    PktDropLatestDropCause, PktDropLikelyCause, PktDropLatestState, PktDropLatestFlags,
    SrcK8S_Namespace, SrcK8S_Name, DstK8S_Namespace, DstK8S_Name
FROM flow WHERE PktDropPackets > 0;
CREATE VIEW dns AS
SELECT TimeFlowStartMs, TimeFlowEndMs, NetNs, Proto, SrcAddr, SrcPort, DstAddr, DstPort, DnsId, DnsName, DnsType, DnsFlags,
    DnsFlagsResponseCode, DnsLatencyMs, DnsErrno,
    SrcK8S_Namespace, SrcK8S_Name, DstK8S_Namespace, DstK8S_Name
FROM flow WHERE DnsId IS NOT NULL OR DnsErrno IS NOT NULL;
";

/// Name and place of every index.
const INDEXES: [(&str, &str); 4] = [
    ("flow_time", "flow (TimeFlowStartMs)"),
    ("flow_src", "flow (SrcAddr, SrcPort)"),
    ("flow_dst", "flow (DstAddr, DstPort)"),
    ("observation_record", "observation (record)"),
];

/// One file: what the WAL holds goes into the database, and the WAL goes.
pub(crate) fn leave_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
}

/// Builds the indexes that are missing.
pub(crate) fn index(connection: &Connection) -> rusqlite::Result<()> {
    for (name, place) in INDEXES {
        connection.execute_batch(&format!("CREATE INDEX IF NOT EXISTS {name} ON {place}"))?;
    }
    Ok(())
}

/// Whether [`index`] has been through.
pub(crate) fn is_indexed(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND name = ?")?;
    for (name, _) in INDEXES {
        if statement.query_row([name], |row| row.get::<_, u32>(0))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
