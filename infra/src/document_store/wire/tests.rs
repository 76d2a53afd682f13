use mongodb::bson::doc;
use proptest::prelude::*;

use super::*;

fn message(flags: u32, sections: &[u8]) -> Vec<u8> {
    frame(OP_MSG, &[&flags.to_le_bytes(), sections].concat())
}

fn frame(operation: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(HEADER_BYTES + body.len()).unwrap();
    let mut frame = Vec::new();
    for field in [length, 7, 0, operation] {
        frame.extend(field.to_le_bytes());
    }
    frame.extend(body);
    frame
}

fn read(mut bytes: &[u8]) -> Result<Option<Request>, FrameError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(read_request(&mut bytes))
}

fn body_section(document: &Document) -> Vec<u8> {
    [vec![0], document.to_vec().unwrap()].concat()
}

#[test]
fn sequence_becomes_an_array_of_the_command() {
    let items = [
        doc! { "a": 1 }.to_vec().unwrap(),
        doc! { "a": 2 }.to_vec().unwrap(),
    ]
    .concat();
    let length = i32::try_from(4 + b"documents\0".len() + items.len()).unwrap();
    let sequence = [
        &[1],
        length.to_le_bytes().as_slice(),
        b"documents\0",
        &items,
    ]
    .concat();
    let sections = [body_section(&doc! { "insert": "c", "$db": "d" }), sequence].concat();
    let request = read(&message(0, &sections)).unwrap().unwrap();
    assert_eq!(
        request.command,
        doc! { "insert": "c", "$db": "d", "documents": [{ "a": 1 }, { "a": 2 }] }
    );
    assert!(request.wants_reply && request.id == 7);
}

#[test]
fn checksum_is_verified() {
    let mut bytes = message(
        CHECKSUM_PRESENT,
        &[body_section(&doc! { "ping": 1 }), vec![0; 4]].concat(),
    );
    assert!(matches!(
        read(&bytes),
        Err(FrameError::Malformed("its checksum is wrong"))
    ));
    let covered = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..covered]).to_le_bytes();
    bytes[covered..].copy_from_slice(&checksum);
    assert_eq!(read(&bytes).unwrap().unwrap().command, doc! { "ping": 1 });
}

#[test]
fn hostile_depth_is_refused_before_parsing() {
    let mut document = vec![5, 0, 0, 0, 0];
    for _ in 0..20_000 {
        let length = i32::try_from(document.len() + 8).unwrap().to_le_bytes();
        document = [length.as_slice(), &[3, b'a', 0], &document, &[0]].concat();
    }
    let bytes = message(0, &[vec![0], document].concat());
    assert!(matches!(
        read(&bytes),
        Err(FrameError::Malformed("BSON is nested too deeply"))
    ));
}

#[test]
fn claimed_length_beyond_the_limit_is_refused() {
    let mut bytes = message(0, &body_section(&doc! { "ping": 1 }));
    bytes[..4].copy_from_slice(&i32::MAX.to_le_bytes());
    assert!(matches!(read(&bytes), Err(FrameError::Malformed(_))));
    bytes[..4].copy_from_slice(&(-1_i32).to_le_bytes());
    assert!(matches!(read(&bytes), Err(FrameError::Malformed(_))));
}

#[test]
fn query_is_for_hello_only() {
    let query = |command: Document| {
        let body = [
            &[0; 4],
            b"admin.$cmd\0".as_slice(),
            &[0; 8],
            &command.to_vec().unwrap(),
        ]
        .concat();
        read(&frame(OP_QUERY, &body))
    };
    assert_eq!(
        query(doc! { "isMaster": 1 }).unwrap().unwrap().form,
        Form::Legacy
    );
    assert!(query(doc! { "insert": "c" }).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_body_is_a_request_or_an_error(flags in 0_u32..4, sections in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse_message(1, &[0; HEADER_BYTES], &[&flags.to_le_bytes(), sections.as_slice()].concat());
        let _ = parse_query(1, &sections);
    }

    #[test]
    fn damaged_bson_is_a_request_or_an_error(position in 0_usize..90, byte in any::<u8>()) {
        let document = doc! { "find": "c", "filter": { "a": { "$in": [1, "x", true, { "b": 2.5 }] } }, "$db": "d" };
        let mut sections = body_section(&document);
        let position = position % sections.len();
        sections[position] = byte;
        let _ = parse_message(1, &[0; HEADER_BYTES], &[&[0; 4], sections.as_slice()].concat());
    }
}
