//! Servers and sensors as processes of their own, which are killed: this program, started again with
//! something to do in its environment.

#![allow(clippy::print_stdout)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use netcap_nats::{Connection, NatsServer};
use netcap_store::Rotation;
use support::*;

const ACK_WAIT: Duration = Duration::from_millis(500);
/// What a process is to do.
const TASK: &str = "NETCAP_NATS_TEST_TASK";
/// Its arguments, with line feeds between them.
const ARGUMENTS: &str = "NETCAP_NATS_TEST_ARGUMENTS";

/// No test, but what the processes do.
#[test]
fn process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let arguments = std::env::var(ARGUMENTS).expect("arguments");
    let arguments: Vec<&str> = arguments.split('\n').collect();
    let connection = Connection::new(arguments[0]);
    if task == "serve" {
        let server = serve_there(connection, Path::new(arguments[1]));
        loop {
            assert_eq!(server.trouble(), None);
            thread::sleep(Duration::from_millis(20));
        }
    }
    let total = arguments[2].parse().expect("a number");
    let options = options(connection, arguments[1]);
    send(options, arguments[1], total, Duration::from_millis(10));
}

/// One of the servers begins new files, many of them.
fn serve_there(connection: Connection, folder: &Path) -> NatsServer {
    let rotation = folder.ends_with("b").then_some(Rotation {
        octets: Some(30_000),
        ..Rotation::default()
    });
    serve_rotating(connection, folder, ACK_WAIT, rotation)
}

/// A process that ends with its test at the latest.
struct Process(Child);

impl Process {
    fn start(task: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["process", "--exact", "--nocapture"])
            .env(TASK, task)
            .env(ARGUMENTS, arguments.join("\n"))
            .stdout(Stdio::null());
        Process(command.spawn().expect("a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn path(folder: &Path) -> &str {
    folder.to_str().expect("UTF-8")
}

/// Kills what is asked for at random, and starts it again, until all sensors are done.
fn chaos(kills_servers: bool, kills_sensors: bool, kills_broker: bool) {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    let url = broker.url();
    let parent = tempfile::tempdir().expect("a folder");
    let folders: Vec<PathBuf> = ["a", "b"].map(|name| parent.path().join(name)).into();
    let serve_again = |number: usize| Process::start("serve", &[&url, path(&folders[number])]);
    let mut servers = [0, 1].map(serve_again);
    let names = ["alpha", "beta"];
    let total = 12_000u64;
    let send_again =
        |number: usize| Process::start("send", &[&url, names[number], &total.to_string()]);
    let mut sensors = [0, 1].map(|number| Some(send_again(number)));
    let mut random = Random::new();
    let (mut kills, mut is_done) = ([0; 3], [false; 2]);
    while is_done != [true; 2] {
        thread::sleep(Duration::from_millis(random.below(250)));
        let number = random.below(2) as usize;
        if kills_servers && random.below(2) == 0 {
            servers[number].0.kill().expect("killed");
            // Only then its folder is free.
            servers[number].0.wait().expect("ended");
            kills[0] += 1;
            thread::sleep(Duration::from_millis(random.below(700)));
            servers[number] = serve_again(number);
        }
        // In the end they are let go on, or it would never end.
        if kills_sensors && kills[1] < 30 && random.below(2) == 0 && !is_done[number] {
            if let Some(one) = sensors[number].take() {
                drop(one);
                kills[1] += 1;
            }
            sensors[number] = Some(send_again(number));
        }
        if kills_broker && kills[2] < 8 && random.below(4) == 0 {
            broker.kill();
            kills[2] += 1;
            thread::sleep(Duration::from_millis(random.below(300)));
            broker.again();
        }
        for (sensor, is_done) in sensors.iter_mut().zip(&mut is_done) {
            if let Some(Ok(Some(status))) = sensor.as_mut().map(|one| one.0.try_wait()) {
                assert!(status.success());
                *sensor = None;
                *is_done = true;
            }
        }
    }
    println!("killed: servers, sensors, broker {kills:?}");
    broker.until_empty();
    // Once more, at a moment when both have just settled something or not; then they settle the rest.
    drop(servers);
    let servers: Vec<_> = folders
        .iter()
        .map(|folder| serve_there(broker.connection(), folder))
        .collect();
    until_kept(&broker, &folders, &expected(&names, total));
    for server in servers {
        println!("{:?}", server.stop());
    }
    assert_eq!(kept(&folders), Some(expected(&names, total)));
}

#[test]
fn servers_are_killed() {
    chaos(true, false, false);
}

#[test]
fn sensors_are_killed() {
    chaos(false, true, false);
}

#[test]
fn everything_is_killed() {
    chaos(true, true, true);
}
