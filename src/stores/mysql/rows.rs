//! Records as rows: one look-up, one batch in one transaction. Times and retries are the caller's.

use std::collections::HashMap;

use bytes::Bytes;
use mysql_async::Conn;
use mysql_async::TxOpts;
use mysql_async::Value;
use mysql_async::prelude::Queryable as _;

use super::datetime;
use super::statements;
use crate::expectation::ports::Costs;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Named;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;

/// The first bytes of every gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) async fn name(connection: &mut Conn, name: &str) -> mysql_async::Result<Option<Named>> {
    let row: Option<(String, Value)> = connection.exec_first(statements::NAME, (name,)).await?;
    Ok(row.map(|(ocid, at)| Named { ocid, confirmed_ms: unix_ms(&at) }))
}

pub(super) async fn gear(connection: &mut Conn, ocid: &str) -> mysql_async::Result<Option<Gear>> {
    let row: Option<(Vec<u8>, Value)> = connection.exec_first(statements::GEAR, (ocid,)).await?;
    Ok(row.map(|(body, at)| {
        let gzip = body.starts_with(&GZIP);
        Gear { payload: Payload { body: body.into(), gzip }, received_ms: unix_ms(&at) }
    }))
}

pub(super) async fn received(
    connection: &mut Conn,
    ocid: &str,
) -> mysql_async::Result<Option<u64>> {
    let at: Option<Value> = connection.exec_first(statements::RECEIVED, (ocid,)).await?;
    Ok(at.map(|at| unix_ms(&at)))
}

/// Writes all records or none. Gear has to be gzip.
pub(super) async fn write(connection: &mut Conn, batch: &[Record]) -> mysql_async::Result<()> {
    let batch = Sorted::new(batch);
    // Before the transaction: what another process adds meanwhile is not seen inside of it.
    let characters = characters(connection, &batch.summaries).await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    for &(name, ocid, at) in &batch.names {
        let at = datetime::value(at);
        transaction.exec_drop(statements::RELEASE_NAME, (name, ocid, &at)).await?;
        transaction.exec_drop(statements::PUT_NAME, (name, ocid, &at, name, ocid)).await?;
    }
    if !batch.gears.is_empty() {
        let row = |&(ocid, body, at): &(&str, &Bytes, u64)| {
            [Value::from(ocid), Value::Bytes(body.to_vec()), datetime::value(at)]
        };
        let values: Vec<Value> = batch.gears.iter().flat_map(row).collect();
        transaction.exec_drop(statements::PUT_GEAR.sql(batch.gears.len()), values).await?;
    }
    if !batch.summaries.is_empty() {
        let row = |&(ocid, preset_no, costs, at): &(&str, u8, &Costs, u64)| {
            let id = characters.get(ocid).copied().map(Value::from).unwrap_or(Value::NULL);
            let [total, black, red, additional, starforce] = costs.columns().map(Value::from);
            let at = datetime::value(at);
            [id, Value::from(preset_no), total, black, red, additional, starforce, at]
        };
        let values: Vec<Value> = batch.summaries.iter().flat_map(row).collect();
        transaction.exec_drop(statements::PUT_SUMMARIES.sql(batch.summaries.len()), values).await?;
    }
    transaction.commit().await
}

/// A batch by kind and key: processes that write the same rows lock them in the same order.
struct Sorted<'a> {
    names: Vec<(&'a str, &'a str, u64)>,
    gears: Vec<(&'a str, &'a Bytes, u64)>,
    summaries: Vec<(&'a str, u8, &'a Costs, u64)>,
}

impl<'a> Sorted<'a> {
    fn new(batch: &'a [Record]) -> Self {
        let mut sorted = Self { names: Vec::new(), gears: Vec::new(), summaries: Vec::new() };
        for record in batch {
            match record {
                Record::Name { name, ocid, confirmed_ms } => {
                    sorted.names.push((name, ocid, *confirmed_ms));
                }
                Record::Gear { ocid, payload, received_ms } => {
                    sorted.gears.push((ocid, &payload.body, *received_ms));
                }
                Record::Summary { ocid, preset_no, costs, calculated_ms } => {
                    sorted.summaries.push((ocid, *preset_no, costs, *calculated_ms));
                }
            }
        }
        // News about one character are told in the order in which they happened.
        sorted.names.sort_by_key(|&(name, _, at)| (at, name));
        sorted.gears.sort_by_key(|&(ocid, ..)| ocid);
        sorted.summaries.sort_by_key(|&(ocid, preset_no, ..)| (ocid, preset_no));
        sorted
    }
}

/// The rows of the characters the summaries are about; made where there are none.
async fn characters(
    connection: &mut Conn,
    summaries: &[(&str, u8, &Costs, u64)],
) -> mysql_async::Result<HashMap<String, u64>> {
    let mut ocids: Vec<&str> = summaries.iter().map(|&(ocid, ..)| ocid).collect();
    ocids.dedup();
    let mut known = HashMap::new();
    look_up(connection, &ocids, &mut known).await?;
    ocids.retain(|ocid| !known.contains_key(*ocid));
    if !ocids.is_empty() {
        let sql = statements::PUT_CHARACTERS.sql(ocids.len());
        connection.exec_drop(sql, values(&ocids)).await?;
        look_up(connection, &ocids, &mut known).await?;
    }
    Ok(known)
}

async fn look_up(
    connection: &mut Conn,
    ocids: &[&str],
    known: &mut HashMap<String, u64>,
) -> mysql_async::Result<()> {
    if !ocids.is_empty() {
        let sql = statements::CHARACTERS.sql(ocids.len());
        let rows: Vec<(String, u64)> = connection.exec(sql, values(ocids)).await?;
        known.extend(rows);
    }
    Ok(())
}

fn values(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|&text| text.into()).collect()
}

/// A time of a column that is never null. Whatever else it is, it is as old as can be.
fn unix_ms(at: &Value) -> u64 {
    datetime::unix_ms(at).unwrap_or(0)
}
