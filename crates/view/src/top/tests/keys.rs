//! What keys do.

use super::*;
use crate::series::Subject;
use crate::top::state::{List, Overlay, Pane, Sort};

#[test]
fn tab_goes_round() {
    let mut lab = Lab::busy();
    let panes = State::panes(&lab.scene);
    assert_eq!(panes.len(), 9);
    for pane in panes.iter().cycle().take(20) {
        assert_eq!(lab.state.pane, *pane);
        lab.press(KeyCode::Tab);
    }
    for _ in 0..20 {
        lab.press(KeyCode::BackTab);
    }
    assert_eq!(lab.state.pane, Pane::Agents);
    lab.press(KeyCode::BackTab);
    assert_eq!(lab.state.pane, panes[8]);
    // What is chosen is seen, however many there are.
    assert!(lab.text(80, 24).contains("▶Unknown"));
}

#[test]
fn enter_shows_one_and_esc_goes_back() {
    let mut lab = Lab::busy();
    lab.press(KeyCode::Tab);
    lab.press(KeyCode::Enter);
    assert_eq!(lab.state.pane, Pane::Type(Subject::Aggregate));
    assert!(lab.state.is_full);
    lab.type_in("?");
    assert_eq!(lab.state.overlay, Some(Overlay::Help));
    assert_eq!(lab.press(KeyCode::Esc), Wish::Nothing);
    assert!(lab.state.is_full && lab.state.overlay.is_none());
    assert_eq!(lab.press(KeyCode::Esc), Wish::Nothing);
    assert!(!lab.state.is_full);
    assert_eq!(lab.press(KeyCode::Esc), Wish::End);
}

#[test]
fn scrolling_ends_at_the_ends() {
    let mut lab = Lab::busy();
    lab.draw(80, 24);
    let page = lab.state.room.page;
    assert!((3..64).contains(&page));
    let offset = |lab: &Lab| lab.state.offset(List::Agents, 64, page);
    lab.press(KeyCode::Up);
    assert_eq!(offset(&lab), 0);
    lab.press(KeyCode::Down);
    lab.press(KeyCode::PageDown);
    assert_eq!(offset(&lab), 1 + page);
    for _ in 0..100 {
        lab.press(KeyCode::PageDown);
    }
    assert_eq!(offset(&lab), 64 - page);
    assert!(lab.text(80, 24).contains("\nn64 "));
    lab.press(KeyCode::Up);
    assert_eq!(offset(&lab), 63 - page);
    lab.press(KeyCode::Home);
    assert_eq!(offset(&lab), 0);
    lab.press(KeyCode::End);
    assert_eq!(offset(&lab), 64 - page);
    // A screen that has grown shows all.
    assert!(lab.text(200, 100).contains("\nn1 "));
}

#[test]
fn arrows_go_from_type_to_type_where_all_are_seen() {
    let mut lab = Lab::busy();
    lab.draw(120, 40);
    lab.press(KeyCode::Tab);
    lab.press(KeyCode::Down);
    let panes = State::panes(&lab.scene);
    assert_eq!(lab.state.pane, panes[2]);
    lab.press(KeyCode::Enter);
    lab.draw(80, 12);
    lab.press(KeyCode::Down);
    assert_eq!(lab.state.pane, panes[2]);
    assert_eq!(lab.state.offset(List::Hosts, 64, 1), 1);
}

#[test]
fn order_and_interval_change() {
    let mut lab = Lab::busy();
    lab.type_in("s");
    assert_eq!(lab.state.sort, Sort::Rate);
    let text = lab.text(120, 40);
    let (first, second) = (text.find("\nn64 "), text.find("\nn63 "));
    assert!(first.is_some() && first < second, "{text}");
    lab.type_in("s");
    let text = lab.text(120, 40);
    let (first, second) = (text.find("\nn9 "), text.find("\nn10 "));
    assert!(first.is_some() && first < second, "{text}");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(lab.state.interval);
        lab.type_in("i");
    }
    assert_eq!(seen, [1, 2, 5, 10, 1]);
}

#[test]
fn keys_that_end_or_suspend() {
    let mut lab = Lab::busy();
    let control = |key| KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
    for (key, wish) in [
        ('c', Wish::End),
        ('z', Wish::Suspend),
        ('l', Wish::Redraw),
        ('x', Wish::Nothing),
    ] {
        assert_eq!(lab.state.press(control(key), &lab.scene), wish);
    }
    lab.type_in("?");
    assert_eq!(lab.press(KeyCode::Char('q')), Wish::End);
}

#[test]
fn keys_do_nothing_where_there_is_nothing() {
    let mut lab = Lab::new(&[], "");
    for code in [
        KeyCode::Down,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::Tab,
        KeyCode::Enter,
        KeyCode::Down,
        KeyCode::End,
        KeyCode::Char('m'),
        KeyCode::End,
    ] {
        assert_eq!(lab.press(code), Wish::Nothing);
        lab.draw(80, 24);
    }
    // Before anything was drawn there is not even the aggregate.
    let mut state = State::default();
    state.press(
        KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE),
        &Scene::default(),
    );
    assert_eq!(state.pane, Pane::Agents);
}
