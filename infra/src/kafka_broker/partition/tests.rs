use super::*;
use crate::kafka_broker::batch::tests::batch as make;

fn settings() -> TopicSettings {
    TopicSettings {
        segment_bytes: 400,
        retention_bytes: Some(1_000),
        retention_ms: None,
        max_message_bytes: 10_000,
    }
}

fn append(
    partition: &mut Partition,
    producer: (i64, i16, i32),
    transactional: bool,
) -> Result<i64, ResponseError> {
    let bytes = make(&[b"one", b"two"], 1_000, producer, transactional);
    let header = BatchHeader::parse(&bytes).unwrap();
    partition.append(&header, &bytes)
}

#[test]
fn a_repeated_batch_is_stored_once_and_a_gap_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    assert_eq!(append(&mut partition, (9, 0, 0), false), Ok(0));
    assert_eq!(append(&mut partition, (9, 0, 2), false), Ok(2));
    assert_eq!(append(&mut partition, (9, 0, 0), false), Ok(0));
    assert_eq!(
        append(&mut partition, (9, 0, 6), false),
        Err(ResponseError::OutOfOrderSequenceNumber)
    );
    // The same holds for what a restart finds.
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    assert_eq!(append(&mut partition, (9, 0, 2), false), Ok(2));
    assert_eq!(append(&mut partition, (9, 1, 0), false), Ok(4));
    assert_eq!(
        append(&mut partition, (9, 0, 4), false),
        Err(ResponseError::InvalidProducerEpoch)
    );
    assert_eq!(partition.end(), 6);
}

#[test]
fn a_torn_batch_is_cut_off_and_what_came_before_stays() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("0");
    let mut partition = Partition::open(folder.clone(), settings()).unwrap();
    append(&mut partition, (-1, -1, -1), false).unwrap();
    append(&mut partition, (-1, -1, -1), false).unwrap();
    let file = folder.join(format!("{:020}.log", 0));
    let bytes = std::fs::read(&file).unwrap();
    for cut in [1, 30, bytes.len() / 2 - 1] {
        std::fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        let mut partition = Partition::open(folder.clone(), settings()).unwrap();
        assert_eq!(partition.end(), 2);
        assert_eq!(append(&mut partition, (-1, -1, -1), false), Ok(2));
        assert_eq!(partition.read(0, 9, 9_999).unwrap(), bytes);
    }
}

/// A partition of three batches of two records, its file, and where the second and third batch begin.
fn three_batches(folder: &Path) -> (PathBuf, [usize; 2]) {
    let mut partition = Partition::open(folder.to_owned(), settings()).unwrap();
    for _ in 0..3 {
        append(&mut partition, (-1, -1, -1), false).unwrap();
    }
    let file = folder.join(format!("{:020}.log", 0));
    let size = std::fs::metadata(&file).unwrap().len() as usize / 3;
    (file, [size, 2 * size])
}

#[test]
fn a_bad_byte_before_intact_batches_is_refused_and_nothing_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("0");
    let (file, [second, third]) = three_batches(&folder);
    let whole = std::fs::read(&file).unwrap();
    // In the offset, the length and the records of a batch.
    for damage in [7, 10, 70] {
        let mut bytes = whole.clone();
        bytes[second + damage] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let error = Partition::open(folder.clone(), settings()).unwrap_err();
        assert!(
            error.to_string().contains(&format!("byte {second}")),
            "{error}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    for damage in [10, 70] {
        let mut bytes = whole.clone();
        bytes[third + damage] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let partition = Partition::open(folder.clone(), settings()).unwrap();
        assert_eq!(partition.end(), 4);
    }
}

#[test]
fn offsets_that_do_not_follow_each_other_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("0");
    let (file, [second, third]) = three_batches(&folder);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.drain(second..third);
    std::fs::write(&file, &bytes).unwrap();
    let error = Partition::open(folder.clone(), settings()).unwrap_err();
    assert!(
        error.to_string().contains(&format!("byte {second}")),
        "{error}"
    );

    // The same between files.
    std::fs::write(&file, &bytes[..second]).unwrap();
    std::fs::write(folder.join(format!("{:020}.log", 4)), b"").unwrap();
    let error = Partition::open(folder.clone(), settings()).unwrap_err();
    assert!(error.to_string().contains("from 2 to 4"), "{error}");
}

#[test]
fn only_the_last_segment_keeps_its_file_open() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("0");
    let open_files = || {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        paths.filter(|path| path.starts_with(&folder)).count()
    };
    let mut partition = Partition::open(folder.clone(), settings()).unwrap();
    for _ in 0..40 {
        append(&mut partition, (-1, -1, -1), false).unwrap();
    }
    assert!(partition.segments.len() > 5);
    assert_eq!(open_files(), 1);
    drop(partition);
    let partition = Partition::open(folder.clone(), settings()).unwrap();
    assert!(!partition.read(0, 80, 100).unwrap().is_empty());
    assert_eq!(open_files(), 1);
}

#[test]
fn transactions_are_undecided_until_their_marker_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    append(&mut partition, (-1, -1, -1), false).unwrap();
    append(&mut partition, (5, 0, 0), true).unwrap();
    append(&mut partition, (6, 0, 0), true).unwrap();
    assert_eq!((partition.last_stable(), partition.end()), (2, 6));
    partition.end_transaction(5, 0, false, 2_000).unwrap();
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    assert_eq!((partition.last_stable(), partition.end()), (4, 7));
    partition.end_transaction(6, 0, true, 2_000).unwrap();
    assert_eq!((partition.last_stable(), partition.end()), (8, 8));
    let aborted: Vec<_> = partition.aborted(0, 8).map(|one| one.producer_id).collect();
    assert_eq!(aborted, [5]);
    assert_eq!(partition.aborted(7, 8).count(), 0);
}

#[test]
fn retention_removes_whole_segments_from_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    for _ in 0..40 {
        append(&mut partition, (-1, -1, -1), false).unwrap();
    }
    partition.retain(2_000);
    let start = partition.start();
    assert!(start > 0 && start < 80, "{start}");
    assert_eq!(
        partition.read(0, 80, 100).unwrap_err(),
        ResponseError::OffsetOutOfRange
    );
    let kept = partition.read(start, 80, 100).unwrap();
    assert_eq!(BatchHeader::parse(&kept).unwrap().base_offset, start);
    let partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    assert_eq!((partition.start(), partition.end()), (start, 80));
}

#[test]
fn retention_keeps_what_an_open_transaction_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut partition = Partition::open(dir.path().join("0"), settings()).unwrap();
    let fill = |partition: &mut Partition| {
        for _ in 0..40 {
            append(partition, (-1, -1, -1), false).unwrap();
        }
    };
    fill(&mut partition);
    append(&mut partition, (5, 0, 0), true).unwrap();
    fill(&mut partition);
    partition.retain(2_000);
    assert!(partition.start() > 0 && partition.start() <= 80);
    assert_eq!(partition.last_stable(), 80);
    partition.end_transaction(5, 0, true, 2_000).unwrap();
    partition.retain(2_000);
    assert!(partition.start() > 80);
}
