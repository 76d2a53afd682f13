//! Clients that are newer than the IDL, broken, or mean.

use std::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Returns a call; `arguments` is what follows the header, with the stop at its end.
fn call(method: &str, arguments: &[u8]) -> Vec<u8> {
    let mut call = (wire::VERSION_1 | 1).to_be_bytes().to_vec();
    call.extend(u32::try_from(method.len()).unwrap().to_be_bytes());
    call.extend(method.as_bytes());
    call.extend(7_u32.to_be_bytes());
    call.extend(arguments);
    call
}

/// Returns an argument that is a text.
fn argument(id: u8, text: &str) -> Vec<u8> {
    let mut argument = vec![11, 0, id];
    argument.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    argument.extend(text.as_bytes());
    argument
}

/// Reads what has arrived once it contains `expected`.
async fn expect(socket: &mut TcpStream, expected: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&answer).contains(expected) {
            let read = socket.read_buf(&mut answer).await.unwrap();
            assert!(
                read > 0,
                "hung up after {:?}",
                String::from_utf8_lossy(&answer)
            );
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    answer
}

/// Waits until the other side has hung up.
async fn expect_end(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = socket.read_to_end(&mut rest);
    let _reset_counts_too = tokio::time::timeout(PATIENCE, read).await.unwrap();
}

#[tokio::test]
async fn methods_that_are_not_in_the_idl_are_refused_and_the_connection_goes_on() {
    let house = House::start().await;
    let mut socket = house.socket().await;
    let mut arguments = argument(1, "hive");
    arguments.push(0);
    for method in ["get_catalogs", "get_table_req_v5", "lock"] {
        socket.write_all(&call(method, &arguments)).await.unwrap();
        let refused = expect(&mut socket, "is not supported by this metastore").await;
        // An exception (type 3) that names the method, with kind 1: unknown method.
        assert_eq!(refused[..4], [0x80, 1, 0, 3]);
        assert!(refused.windows(7).any(|part| part == [8, 0, 2, 0, 0, 0, 1]));
    }
    socket
        .write_all(&call("get_all_databases", &[0]))
        .await
        .unwrap();
    expect(&mut socket, "default").await;
    // An argument that is not there, as Java's null.
    socket.write_all(&call("get_table", &[0])).await.unwrap();
    expect(&mut socket, "argument 1 is missing").await;
    // Hive 3 puts the catalog in front.
    let mut arguments = argument(1, "@hive#default");
    arguments.push(0);
    socket
        .write_all(&call("get_database", &arguments))
        .await
        .unwrap();
    expect(&mut socket, "Default Hive database").await;
    house.stop().await;
}

#[tokio::test]
async fn framed_clients_get_framed_answers() {
    let house = House::start().await;
    let mut socket = house.socket().await;
    let call = call("get_all_databases", &[0]);
    socket
        .write_u32(u32::try_from(call.len()).unwrap())
        .await
        .unwrap();
    socket.write_all(&call).await.unwrap();
    let length = socket.read_u32().await.unwrap();
    let mut answer = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..4], [0x80, 1, 0, 2]);
    house.stop().await;
}

#[tokio::test]
async fn shutdown_of_a_client_closes_its_connection_only() {
    let house = House::start().await;
    let mut socket = house.socket().await;
    socket.write_all(&call("shutdown", &[0])).await.unwrap();
    expect_end(&mut socket).await;
    let address = house.address.to_string();
    ping(&address, PATIENCE).await.unwrap();
    house.stop().await;
    assert!(ping(&address, PATIENCE).await.is_err());
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_idle_ones_too() {
    let config = HiveMetastoreConfig {
        max_connections: 1,
        idle_timeout: Duration::from_millis(300),
        ..HiveMetastoreConfig::default()
    };
    let house = House::with_config(config).await;
    let mut first = house.socket().await;
    first
        .write_all(&call("get_all_databases", &[0]))
        .await
        .unwrap();
    expect(&mut first, "default").await;
    let mut second = house.socket().await;
    expect_end(&mut second).await;
    expect_end(&mut first).await;
    let deadline = Instant::now() + PATIENCE;
    while ping(&house.address.to_string(), PATIENCE).await.is_err() {
        assert!(Instant::now() < deadline, "the place is never free again");
    }
    house.stop().await;
}

#[tokio::test]
async fn huge_lengths_and_depths_are_refused_without_being_believed() {
    let house = House::start().await;
    let huge = i32::MAX.to_be_bytes();
    let deep: Vec<u8> = [12, 0, 1].repeat(1000);
    let attacks: Vec<Vec<u8>> = vec![
        // A text, a list of structures, a map, a list of lists: all of two billion.
        call("get_database", &[&[11, 0, 1][..], &huge].concat()),
        call("create_table", &[&[15, 0, 1, 12][..], &huge].concat()),
        call("create_table", &[&[13, 0, 1, 11, 12][..], &huge].concat()),
        call("add_partitions", &[&[15, 0, 1, 15][..], &huge].concat()),
        call("get_database", &[11, 0, 1, 255, 255, 255, 255]),
        call("get_database", &deep),
        call("get_database", &[99, 0, 1]),
        // A method whose name is huge, and a frame that is.
        [&[0x80, 1, 0, 1][..], &huge].concat(),
        huge.to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        // The beginning of TLS, and of SASL.
        vec![0x16, 3, 1, 2, 0, 1, 0, 1],
        vec![1, 0, 0, 0, 6, b'G', b'S', b'S', b'A', b'P', b'I'],
    ];
    for attack in attacks {
        let mut socket = house.socket().await;
        socket.write_all(&attack).await.unwrap();
        expect_end(&mut socket).await;
    }
    ping(&house.address.to_string(), PATIENCE).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn a_message_of_many_values_is_refused() {
    let house = House::start().await;
    let values = 600_000_u32;
    let mut arguments = vec![15, 0, 1, 2];
    arguments.extend(values.to_be_bytes());
    arguments.extend(vec![1; usize::try_from(values).unwrap()]);
    arguments.push(0);
    let mut socket = house.socket().await;
    // The other side may hang up before it has read everything.
    let _ = socket.write_all(&call("get_databases", &arguments)).await;
    expect_end(&mut socket).await;
    ping(&house.address.to_string(), PATIENCE).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn any_bytes_leave_the_metastore_alive() {
    let config = HiveMetastoreConfig {
        transfer_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(500),
        ..HiveMetastoreConfig::default()
    };
    let house = House::with_config(config).await;
    // A small generator is enough; its seed is fixed, so that a failure can be repeated.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let methods = [
        "create_table",
        "get_table_req",
        "add_partitions",
        "get_partitions_by_filter",
    ];
    let mut sockets = Vec::new();
    for round in 0..120_usize {
        let length = usize::try_from(random() % 400).unwrap();
        // Small bytes are types and lengths more often than not.
        let bytes: Vec<u8> = (0..length)
            .map(|_| u8::try_from(random() % if round % 3 == 0 { 256 } else { 16 }).unwrap())
            .collect();
        let sent = match round % 4 {
            0 => bytes,
            _ => call(methods[round % methods.len()], &bytes),
        };
        let mut socket = house.socket().await;
        socket.write_all(&sent).await.unwrap();
        sockets.push(socket);
    }
    for mut socket in sockets {
        let _ = socket.shutdown().await;
        expect_end(&mut socket).await;
    }
    let mut socket = house.socket().await;
    socket
        .write_all(&call("get_all_databases", &[0]))
        .await
        .unwrap();
    expect(&mut socket, "default").await;
    house.stop().await;
}
