use super::*;

fn request() -> PredictionRequest {
    let facts = FlightFacts {
        dep_delay: -3.0,
        distance: 760.0,
        flight_date: NaiveDate::from_ymd_opt(2013, 12, 25).unwrap(),
        carrier: "DL".into(),
        origin: "JFK".into(),
        dest: "ATL".into(),
        flight_num: "1519".into(),
    };
    PredictionRequest::new(facts, Uuid::nil(), DateTime::UNIX_EPOCH)
}

#[test]
fn fields_have_the_names_of_the_course() {
    let value = serde_json::to_value(request()).unwrap();
    let mut names: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    let expected = [
        "Carrier",
        "DayOfMonth",
        "DayOfWeek",
        "DayOfYear",
        "DepDelay",
        "Dest",
        "Distance",
        "FlightDate",
        "FlightNum",
        "Origin",
        "Route",
        "Timestamp",
        "UUID",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (&value["Route"], &value["DayOfYear"]),
        (&"JFK-ATL".into(), &359.into())
    );
    assert_eq!(value["FlightDate"], "2013-12-25");
}

#[test]
fn a_request_survives_the_wire() {
    let bytes = serde_json::to_vec(&request()).unwrap();
    assert_eq!(PredictionRequest::decode(&bytes).unwrap(), request());
}

#[test]
fn what_is_no_request_is_named() {
    let field = |payload: &[u8]| match PredictionRequest::decode(payload) {
        Err(Error::InvalidRequest { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(b"not json"), "payload");
    let with = |change: fn(&mut PredictionRequest)| {
        let mut changed = request();
        change(&mut changed);
        serde_json::to_vec(&changed).unwrap()
    };
    assert_eq!(
        field(&with(|request| request.day_of_year = 1)),
        "FlightDate"
    );
    assert_eq!(field(&with(|request| request.distance = -1.0)), "Distance");
    assert_eq!(
        field(&with(|request| request.route = "A-B".into())),
        "Route"
    );
}
