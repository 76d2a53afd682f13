//! Types that Arrow has nothing like, as types of Arrow that mean nothing else here.
//!
//! Operators lose what a field's metadata says; its Arrow type they keep.
//!
//! ```text
//! uuid        16 bytes   as RFC 9562 has them
//! ipaddress   17 bytes   a zero, then those of IPv6; IPv4 is mapped into it
//! BingTile     8 bytes   zoom level, x, y
//! json        text with offsets of 64 bits; other text has those of 32
//! ```

use std::fmt::{Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrow::datatypes::DataType;
use uuid::Uuid;

/// `uuid`.
pub(crate) const UUID: DataType = DataType::FixedSizeBinary(16);
/// `ipaddress`.
pub(crate) const IP_ADDRESS: DataType = DataType::FixedSizeBinary(IP_ADDRESS_BYTES);
/// `json`.
pub(crate) const JSON: DataType = DataType::LargeUtf8;
/// `BingTile`.
pub(crate) const BING_TILE: DataType = DataType::FixedSizeBinary(8);
/// The bytes of an [`IP_ADDRESS`].
pub(crate) const IP_ADDRESS_BYTES: i32 = 17;

/// Returns the name of the type if it is one of these.
pub(crate) fn opaque_name(data_type: &DataType) -> Option<&'static str> {
    [
        (UUID, "uuid"),
        (IP_ADDRESS, "ipaddress"),
        (BING_TILE, "BingTile"),
        (JSON, "json"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known == *data_type).then_some(name))
}

/// Returns the address that a text is; the zone of an IPv6 address is left out.
pub(crate) fn parse_ip_address(text: &str) -> Option<Ipv6Addr> {
    if !text.contains(':') {
        return text.parse().ok().map(|v4: Ipv4Addr| v4.to_ipv6_mapped());
    }
    let address = text
        .split_once('%')
        .map_or(text, |(address, _zone)| address);
    address.parse().ok()
}

/// Returns the value of an address.
pub(crate) fn encode_ip_address(address: Ipv6Addr) -> [u8; 17] {
    let mut value = [0; 17];
    for (to, from) in value.iter_mut().skip(1).zip(address.octets()) {
        *to = from;
    }
    value
}

/// Returns the address of a value.
pub(crate) fn decode_ip_address(value: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(last_sixteen(value))
}

fn last_sixteen(value: &[u8]) -> [u8; 16] {
    value.last_chunk().copied().unwrap_or_default()
}

/// A value as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opaque {
    Uuid(Uuid),
    /// IPv4 if it is one.
    IpAddress(IpAddr),
    /// As JSON.
    BingTile(BingTile),
}

impl Opaque {
    /// Returns a value of one of these types.
    pub(crate) fn decode(data_type: &DataType, value: &[u8]) -> Self {
        if *data_type == BING_TILE {
            return Self::BingTile(BingTile::decode(value));
        }
        if *data_type == IP_ADDRESS {
            return Self::IpAddress(decode_ip_address(value).to_canonical());
        }
        Self::Uuid(Uuid::from_bytes(last_sixteen(value)))
    }
}

impl Display for Opaque {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::IpAddress(address) => address.fmt(f),
            Self::BingTile(BingTile { x, y, zoom }) => {
                write!(f, r#"{{"x":{x},"y":{y},"zoom":{zoom}}}"#)
            }
        }
    }
}

/// A tile of the Bing Maps tile system: a square of the map at a zoom level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BingTile {
    pub(crate) x: u32,
    pub(crate) y: u32,
    /// 1 to 23: the map has two to this power tiles on each side.
    pub(crate) zoom: u8,
}

/// The bits of a coordinate of a [`BingTile`].
const COORDINATE_BITS: u32 = 23;

impl BingTile {
    /// Returns the value of the tile.
    pub(crate) fn encode(self) -> [u8; 8] {
        let zoom = u64::from(self.zoom) << (2 * COORDINATE_BITS);
        (zoom | u64::from(self.x) << COORDINATE_BITS | u64::from(self.y)).to_be_bytes()
    }

    /// Returns the tile of a value.
    pub(crate) fn decode(value: &[u8]) -> Self {
        let bits = value
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let coordinate = |bits: u64| u32::try_from(bits & ((1 << COORDINATE_BITS) - 1));
        Self {
            x: coordinate(bits >> COORDINATE_BITS).unwrap_or_default(),
            y: coordinate(bits).unwrap_or_default(),
            zoom: u8::try_from(bits >> (2 * COORDINATE_BITS)).unwrap_or_default(),
        }
    }
}
