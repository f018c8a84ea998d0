use std::path::Path;

use netcap_agent::Record;
use netcap_agent::classify::findings;
use netcap_agent::collect::News;

use super::*;

const NOW: i64 = 1_700_000_000;

/// Two agents, and what they report.
struct Lab {
    config: Config,
    overview: Arc<Overview>,
    model: Model,
}

impl Lab {
    fn new(times: Times) -> Lab {
        let mut config = Config::default();
        let text = "1=5000\n3=M7\n[Video]\nColor=#1f77b4\n[Voice]\n[Relayed]";
        assert_eq!(config.parse(Path::new("a.conf"), text), []);
        let agents = ["east", "west"].map(|name| (name.to_owned(), name.to_owned()));
        let overview = Arc::new(Overview::new(agents, SUMS_KEPT));
        let model = Model::new(&config, Arc::clone(&overview), times);
        Lab {
            config,
            overview,
            model,
        }
    }

    /// A packet of 100 octets that this agent saw in that second.
    fn packet(&self, agent: usize, second: i64, port: u16, flow_id: u32, flags: u8) {
        let record = Record {
            seconds: second as u32,
            destination_port: port,
            length: 100,
            flow_id,
            protocol: 17,
            flags,
            ..Record::decode(&[0; 28])
        };
        self.record(agent, &record);
    }

    fn record(&self, agent: usize, record: &Record) {
        let found: Vec<_> = findings(&self.config, record, true).collect();
        let now = at(i64::from(record.seconds));
        self.overview
            .received(agent, now, 28, [(record, &found[..])]);
    }

    fn refresh(&mut self, second: i64) {
        self.model.refresh(at(second) + SETTLE);
    }

    /// Level 0 and 1 by series and host, of the last complete second.
    fn bars(&self) -> Vec<Vec<(u64, u64)>> {
        let bars = self.model.by_host(self.model.last(1));
        let levels = |amount: &Amount| (amount.level0, amount.level1);
        let hosts = |hosts: &Vec<Amount>| hosts.iter().map(levels).collect();
        bars.iter().map(hosts).collect()
    }

    fn names(&self) -> Vec<&str> {
        let series = self.model.series().iter();
        series.map(|series| series.name.as_str()).collect()
    }
}

#[test]
fn a_record_counts_once_in_the_aggregate() {
    let mut lab = Lab::new(Times::Ours);
    lab.packet(0, NOW, 5000, 0, 0);
    // Two rules hold; and a relayed one.
    lab.packet(0, NOW, 5000, 7, 0);
    lab.packet(0, NOW, 5000, 7, 1);
    lab.packet(1, NOW, 9, 0, 0);
    lab.refresh(NOW + 1);
    assert_eq!(
        lab.names(),
        ["Aggregate", "Video", "Voice", "Relayed", "Unknown"]
    );
    assert_eq!(
        lab.bars(),
        [
            [(1600, 800), (800, 0)],
            [(1600, 800), (0, 0)],
            [(0, 0), (0, 0)],
            [(0, 1600), (0, 0)],
            [(0, 0), (800, 0)],
        ]
    );
    let totals = lab.model.totals(|_| true);
    let totals: Vec<_> = totals
        .iter()
        .map(|total| (total.records, total.level0, total.level1))
        .collect();
    assert_eq!(
        totals,
        [
            (4, 2400, 800),
            (3, 1600, 800),
            (0, 0, 0),
            (2, 0, 1600),
            (1, 800, 0)
        ]
    );
    assert_eq!(lab.model.totals(|agent| agent == 1)[0].level0, 800);
}

#[test]
fn processor_and_memory_are_drawn_once_reported() {
    let mut lab = Lab::new(Times::Ours);
    let report = |number: u16, flow_id, length| Record {
        seconds: NOW as u32,
        source: u32::from(number).into(),
        destination: u32::from(number).into(),
        source_port: number,
        destination_port: number,
        length,
        flow_id,
        protocol: 61,
        ..Record::decode(&[0; 28])
    };
    lab.record(1, &report(2, 0xffff_fffe, 4));
    lab.refresh(NOW + 1);
    assert_eq!(lab.names()[4..], ["Unknown", "Memory"]);
    lab.record(1, &report(1, 0xffff_ffff, 17));
    lab.refresh(NOW + 1);
    assert_eq!(lab.names()[4..], ["Unknown", "Processor", "Memory"]);
    let bars = lab.bars();
    assert_eq!((bars[5][1], bars[6][1]), ((17, 0), (1 << 20, 0)));
    // They are no traffic.
    assert_eq!(bars[0][1], (0, 0));
    assert_eq!(lab.model.totals(|_| true)[0], Amount::default());
}

#[test]
fn a_period_is_complete_and_what_comes_late_is_added() {
    let mut lab = Lab::new(Times::Ours);
    lab.packet(0, NOW, 9, 0, 0);
    lab.model.refresh(at(NOW + 1));
    assert_eq!(lab.model.last(1).begin, NOW - 1);
    lab.refresh(NOW + 1);
    assert_eq!(lab.model.last(1).begin, NOW);
    assert_eq!(lab.bars()[0][0], (800, 0));
    lab.packet(0, NOW, 9, 0, 0);
    lab.refresh(NOW + 1);
    assert_eq!(lab.bars()[0][0], (1600, 0));
    let period = lab.model.last(10);
    assert_eq!((period.begin, period.seconds), (NOW - 10, 10));
    lab.refresh(NOW + 10);
    assert_eq!(lab.model.last(10).begin, NOW);
    assert_eq!(lab.model.by_host(lab.model.last(10))[0][0].level0, 1600);
}

#[test]
fn the_history_comes_piece_by_piece() {
    let mut lab = Lab::new(Times::Ours);
    for second in 0..40 {
        lab.packet((second % 2) as usize, NOW + second, 9, 0, 0);
    }
    lab.refresh(NOW + 35);
    let all = |agent: usize| agent < 2;
    let levels = |points: &[Point]| -> Vec<(i64, u64)> {
        let level = |point: &Point| (point.period.begin - NOW, point.amounts[0].level0);
        points.iter().map(level).collect()
    };
    let (points, mark) = lab.model.history(10, 180, Mark::default(), all);
    assert_eq!(levels(&points), [(0, 8000), (10, 8000), (20, 8000)]);
    let (points, _) = lab
        .model
        .history(10, 2, Mark::default(), |agent| agent == 1);
    assert_eq!(levels(&points), [(10, 4000), (20, 4000)]);
    let (points, mark) = lab.model.history(10, 180, mark, all);
    assert_eq!(points, []);
    // A late one, and one that is complete by now.
    lab.packet(0, NOW + 15, 9, 0, 0);
    lab.refresh(NOW + 41);
    let (points, _) = lab.model.history(10, 180, mark, all);
    assert_eq!(levels(&points), [(10, 8800), (30, 8000)]);
}

#[test]
fn old_seconds_are_forgotten() {
    let mut lab = Lab::new(Times::Ours);
    for second in [0, 1000, 5000] {
        lab.packet(0, NOW + second, 9, 0, 0);
        lab.refresh(NOW + second + 1);
    }
    assert_eq!(lab.model.seconds.len(), 1);
}

#[test]
fn records_of_long_ago_say_what_time_it_is() {
    let mut lab = Lab::new(Times::OfRecords);
    lab.packet(0, 5000, 9, 0, 0);
    lab.refresh(NOW);
    assert_eq!(lab.model.last(1).begin, 4999);
    lab.packet(0, 5001, 9, 0, 0);
    lab.refresh(NOW);
    assert_eq!(lab.bars()[0][0], (800, 0));
    for agent in [0, 1] {
        lab.overview.news(agent, at(NOW), &News::Ended);
    }
    lab.refresh(NOW + 1000);
    assert!(lab.model.is_over());
    assert_eq!(lab.model.last(1).begin, 5001);
}
