//! Tiles around a place.

use datafusion::error::Result;
use geo::Coord;

use super::{MAX_LATITUDE, MAX_LONGITUDE, MAX_TILES, at, corner};
use crate::presto::functions::call::invalid;
use crate::presto::functions::geo::sphere::{RADIUS_KM, great_circle};
use crate::presto::opaque::BingTile;

const MAX_RADIUS_KM: f64 = 1_000.0;

/// Returns the tile and the up to eight that touch it, column by column.
pub(super) fn neighbours(centre: BingTile) -> Vec<BingTile> {
    let end = 1 << centre.zoom;
    let near = |at: u32| at.saturating_sub(1)..=(at + 1).min(end - 1);
    let columns = near(centre.x);
    columns
        .flat_map(|x| near(centre.y).map(move |y| BingTile { x, y, ..centre }))
        .collect()
}

/// Returns the tiles that a circle touches.
pub(super) fn within(
    latitude: f64,
    longitude: f64,
    zoom: u8,
    radius_km: f64,
) -> Result<Vec<BingTile>> {
    if radius_km.is_nan() || radius_km < 0.0 {
        return Err(invalid("Radius must be >= 0"));
    }
    if radius_km > MAX_RADIUS_KM {
        return Err(invalid("Radius must be <= 1,000 km"));
    }
    let side = 1_u32 << zoom;
    let centre = at(latitude, longitude, zoom);
    let (north, south) = latitudes(latitude, radius_km);
    let (west, east) = longitudes(latitude, longitude, radius_km);
    let (top, bottom) = (at(north, longitude, zoom).y, at(south, longitude, zoom).y);
    let (left, right) = (at(latitude, west, zoom).x, at(latitude, east, zoom).x);
    // The map goes on to its other side.
    let columns = (right + side - left) % side + 1;
    let count = u64::from(columns) * u64::from(bottom - top + 1);
    if count > MAX_TILES {
        return Err(invalid(format!(
            "The number of tiles covering input rectangle exceeds the limit of 1M. Number of tiles: {count}. \
             Radius: {radius_km:.1} km. Zoom level: {zoom}."
        )));
    }
    let tile = |x: u32, y: u32| BingTile { x, y, zoom };
    let row = (0..columns).map(|column| tile((left + column) % side, centre.y));
    let column = (top..=bottom)
        .filter(|y| *y != centre.y)
        .map(|y| tile(centre.x, y));
    let mut tiles: Vec<BingTile> = row.chain(column).collect();

    // In each quarter a column begins where the corner that is nearest to the centre is within the circle.
    let is_within = |corner: Coord<f64>| -> Result<bool> {
        Ok(great_circle((latitude, longitude), (corner.y, corner.x))? <= radius_km)
    };
    let mut quarter =
        |x: u32, rows: &mut dyn Iterator<Item = u32>, nearest: (u32, u32)| -> Result<()> {
            let mut is_inside = false;
            for y in rows {
                is_inside = is_inside || is_within(corner(x + nearest.0, y + nearest.1, zoom))?;
                if is_inside {
                    tiles.push(tile(x, y));
                }
            }
            Ok(())
        };
    let mut x = right;
    while x != centre.x {
        quarter(x, &mut (top..centre.y), (0, 1))?;
        quarter(x, &mut (centre.y + 1..=bottom).rev(), (0, 0))?;
        x = (x + side - 1) % side;
    }
    x = left;
    while x != centre.x {
        quarter(x, &mut (top..centre.y), (1, 1))?;
        quarter(x, &mut (centre.y + 1..=bottom).rev(), (1, 0))?;
        x = (x + 1) % side;
    }
    Ok(tiles)
}

/// Returns the latitudes of the circle's northernmost and southernmost places.
fn latitudes(latitude: f64, radius_km: f64) -> (f64, f64) {
    let (angle, latitude) = (radius_km / RADIUS_KM, latitude.to_radians());
    let towards = |bearing: f64| {
        let sine = latitude.sin() * angle.cos() + latitude.cos() * angle.sin() * bearing.cos();
        sine.asin().to_degrees().clamp(-MAX_LATITUDE, MAX_LATITUDE)
    };
    (towards(0.0), towards(std::f64::consts::PI))
}

/// Returns the longitudes of the circle's westernmost and easternmost places.
fn longitudes(latitude: f64, longitude: f64, radius_km: f64) -> (f64, f64) {
    let (angle, latitude) = (radius_km / RADIUS_KM, latitude.to_radians());
    let towards = |degrees: f64| {
        let east = degrees.to_radians().sin() * angle.sin() * latitude.cos();
        let turned = east.atan2(angle.cos() - latitude.sin() * latitude.sin());
        let reached = (longitude.to_radians() + turned).to_degrees();
        if reached > MAX_LONGITUDE {
            reached - 2.0 * MAX_LONGITUDE
        } else if reached < -MAX_LONGITUDE {
            reached + 2.0 * MAX_LONGITUDE
        } else {
            reached
        }
    };
    (towards(270.0), towards(90.0))
}
