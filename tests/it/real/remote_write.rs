//! Remote write 1.0 by hand: eight fields of protobuf, and snappy blocks that only hold literals.

/// A sample of a series: labels with `__name__`, value, milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    pub(super) at: i64,
}

/// Sends samples to a Prometheus whose remote-write receiver is on.
pub(super) fn push(port: u16, samples: &[Sample]) -> Result<(), String> {
    let headers = [
        ("Content-Encoding", "snappy"),
        ("Content-Type", "application/x-protobuf"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    let body = snappy(&write_request(samples));
    let answer = super::http::call(port, "POST", "/api/v1/write", &headers, &body);
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status / 100 == 2 {
        Ok(())
    } else {
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!("status {}: {body}", answer.status))
    }
}

/// `WriteRequest { repeated TimeSeries timeseries = 1 }`, a series for each sample.
fn write_request(samples: &[Sample]) -> Vec<u8> {
    let mut request = Vec::new();
    for sample in samples {
        let mut series = Vec::new();
        let mut labels = sample.labels.clone();
        labels.sort();
        for (name, value) in &labels {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut series, 1, &label);
        }
        let mut point = vec![1 << 3 | 1];
        point.extend(sample.value.to_le_bytes());
        point.push(2 << 3);
        varint(&mut point, sample.at.cast_unsigned());
        bytes(&mut series, 2, &point);
        bytes(&mut request, 1, &series);
    }
    request
}

/// A field whose value has a length.
fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// A snappy block: the length, then literals of at most 64 KiB, each with its length less one in
/// two bytes (tag 61).
fn snappy(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, plain.len() as u64);
    for chunk in plain.chunks(1 << 16) {
        out.push(61 << 2);
        let length = u16::try_from(chunk.len() - 1).expect("a chunk of 64 KiB");
        out.extend(length.to_le_bytes());
        out.extend(chunk);
    }
    out
}
