//! Several runs abreast, each on a thread of its own, whose questions reach the target together: those of one alone do not
//! fill a GPU. A run is told what it would be told alone.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use scoville_kernels::{Array, Device, Loss, part, stack};
use scoville_targets::{Error, Evaluation, Features, Gradients, Labels, Scores, Trees};

/// Runs all of `runs` on `target` at once; what comes out is in their order.
pub fn abreast<R: Send>(
    target: &(dyn Gradients + Sync),
    runs: Vec<impl FnOnce(&dyn Gradients) -> R + Send>,
) -> Vec<R> {
    let table = Table {
        target,
        state: Mutex::new(State {
            seated: runs.len(),
            ..State::default()
        }),
        turn: Condvar::new(),
    };
    let table = &table;
    thread::scope(|scope| {
        let seats = runs.into_iter().enumerate();
        let threads = seats.map(|(number, run)| {
            scope.spawn(move || {
                let seat = Seat { table, number };
                run(&seat)
            })
        });
        let threads: Vec<_> = threads.collect();
        let done = threads.into_iter().map(|thread| thread.join());
        done.map(|run| run.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Where runs wait until all of them have asked.
struct Table<'a> {
    target: &'a (dyn Gradients + Sync),
    state: Mutex<State>,
    turn: Condvar,
}

/// By the seats.
type Asked = BTreeMap<usize, Question>;

#[derive(Default)]
struct State {
    /// Runs that are not at their end.
    seated: usize,
    asked: Asked,
    answers: BTreeMap<usize, Result<Answer, Error>>,
}

enum Question {
    Labels(Array),
    Scores(Array),
    Gradient(Array, Array<u32>, Loss),
}

/// Of its question's kind.
enum Answer {
    Labels(Array<u32>),
    Scores(Array),
    Gradient(Box<Evaluation>),
}

impl Table<'_> {
    /// Waits until every run has asked; the last to see that asks the target for all of them.
    fn ask(&self, seat: usize, question: Question) -> Result<Answer, Error> {
        // Who panicked while it asked for all leaves the others without an answer.
        let mut state = self.state.lock().map_err(|_| Error::Unanswered)?;
        state.asked.insert(seat, question);
        loop {
            if let Some(answer) = state.answers.remove(&seat) {
                return answer;
            }
            if state.asked.len() == state.seated {
                let asked = std::mem::take(&mut state.asked);
                state.answers = self.answer_all(asked);
                self.turn.notify_all();
            } else {
                state = self.turn.wait(state).map_err(|_| Error::Unanswered)?;
            }
        }
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seated -= 1;
        self.turn.notify_all();
    }

    fn answer_all(&self, mut asked: Asked) -> BTreeMap<usize, Result<Answer, Error>> {
        let mut answers = BTreeMap::new();
        while let Some((seat, first)) = asked.pop_first() {
            let (alike, others): (Asked, Asked) =
                asked.into_iter().partition(|(_, q)| q.is_like(&first));
            asked = others;
            let mut seats = vec![(seat, first)];
            seats.extend(alike);
            match self.answer_together(&seats) {
                Ok(together) => {
                    let together = together.into_iter().map(Ok);
                    answers.extend(seats.into_iter().map(|(seat, _)| seat).zip(together));
                }
                // What they cannot be told together, each may be told alone.
                Err(_) => {
                    let alone = seats.into_iter().map(|(seat, q)| (seat, self.answer(&q)));
                    answers.extend(alone);
                }
            }
        }
        answers
    }

    /// The answers to questions of one kind.
    fn answer_together(&self, asked: &[(usize, Question)]) -> Result<Vec<Answer>, Error> {
        let questions: Vec<&Question> = asked.iter().map(|(_, question)| question).collect();
        let [first, others @ ..] = questions.as_slice() else {
            return Ok(Vec::new());
        };
        if others.is_empty() {
            return Ok(vec![self.answer(first)?]);
        }
        let whole = self.answer(&first.with(others)?)?;
        let mut end = 0;
        let answers = questions.iter().map(|question| {
            let start = end;
            end += question.x().rows();
            whole.part(start..end)
        });
        answers.collect()
    }

    fn answer(&self, question: &Question) -> Result<Answer, Error> {
        let target = self.target;
        Ok(match question {
            Question::Labels(x) => Answer::Labels(target.labels(x)?),
            Question::Scores(x) => Answer::Scores(target.scores(x)?),
            Question::Gradient(x, y, loss) => {
                Answer::Gradient(Box::new(target.gradient(x, y, *loss)?))
            }
        })
    }
}

impl Question {
    fn x(&self) -> &Array {
        let (Question::Labels(x) | Question::Scores(x) | Question::Gradient(x, ..)) = self;
        x
    }

    fn y(&self) -> Option<&Array<u32>> {
        match self {
            Question::Gradient(_, y, _) => Some(y),
            Question::Labels(_) | Question::Scores(_) => None,
        }
    }

    /// Whether both may be asked at once.
    fn is_like(&self, other: &Question) -> bool {
        match (self, other) {
            (Question::Gradient(.., loss), Question::Gradient(.., other)) => loss == other,
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// It and `others` of its kind as one.
    fn with(&self, others: &[&Question]) -> Result<Question, Error> {
        let below: Vec<&Array> = others.iter().map(|question| question.x()).collect();
        let x = stack(self.x(), &below)?;
        Ok(match self {
            Question::Labels(_) => Question::Labels(x),
            Question::Scores(_) => Question::Scores(x),
            Question::Gradient(_, y, loss) => {
                let below: Vec<&Array<u32>> = others.iter().filter_map(|q| q.y()).collect();
                Question::Gradient(x, stack(y, &below)?, *loss)
            }
        })
    }
}

impl Answer {
    /// What is said of some of the rows.
    fn part(&self, rows: Range<usize>) -> Result<Answer, Error> {
        Ok(match self {
            Answer::Labels(labels) => Answer::Labels(part(labels, rows)?),
            Answer::Scores(scores) => Answer::Scores(part(scores, rows)?),
            Answer::Gradient(seen) => Answer::Gradient(Box::new(Evaluation {
                loss: part(&seen.loss, rows.clone())?,
                predicted: part(&seen.predicted, rows.clone())?,
                gradient: part(&seen.gradient, rows)?,
            })),
        })
    }
}

/// The target as one of the runs sees it. Labels, scores and gradients of losses are asked for together, whatever else at once.
struct Seat<'a> {
    table: &'a Table<'a>,
    number: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.table.leave();
    }
}

impl Labels for Seat<'_> {
    fn classes(&self) -> usize {
        self.table.target.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.table.target.sample_shape()
    }

    fn device(&self) -> &Device {
        self.table.target.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        let question = Question::Labels(x.copy()?);
        match self.table.ask(self.number, question)? {
            Answer::Labels(labels) => Ok(labels),
            _ => Err(Error::Unanswered),
        }
    }
}

impl Scores for Seat<'_> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        let question = Question::Scores(x.copy()?);
        match self.table.ask(self.number, question)? {
            Answer::Scores(scores) => Ok(scores),
            _ => Err(Error::Unanswered),
        }
    }
}

impl Gradients for Seat<'_> {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        let question = Question::Gradient(x.copy()?, y.copy()?, loss);
        match self.table.ask(self.number, question)? {
            Answer::Gradient(seen) => Ok(*seen),
            _ => Err(Error::Unanswered),
        }
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.table.target.divergence(x, from)
    }

    fn trees(&self) -> Option<&Trees> {
        self.table.target.trees()
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.table.target.inside()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use scoville_kernels::Norm;
    use scoville_targets::{Metered, Spent};

    use super::*;
    use crate::tables_tests::Small;
    use crate::{Goal, Problem, Success, parse};

    fn target() -> Metered<Small> {
        let weight = |c: usize, j: usize| ((3 * c + 5 * j) % 7) as f32 - 3.0;
        let row = |c| (0..7).map(|j| weight(c, j)).collect();
        Metered::new(Small::Linear((0..4).map(row).collect()))
    }

    const LADDER: [f64; 3] = [0.02, 0.08, 0.3];

    /// What an attack finds at each eps of the ladder, and what that took.
    fn found(name: &str, together: bool) -> (Vec<Vec<Success>>, Spent) {
        let target = target();
        let x: Vec<f32> = (0..9 * 7).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let y: Vec<u32> = x.chunks(7).map(|x| target.inner().label(x)).collect();
        let attack = parse(name).unwrap();
        let run = |target: &dyn Gradients, eps| {
            let problem = Problem {
                ids: &[4, 8, 15, 16, 23, 42, 3, 1, 7],
                x: &x,
                y: &y,
                norm: Norm::Linf,
                eps,
                bounds: (0.0, 1.0),
                seed: (1e6 * eps) as u64,
                goal: Goal::Any,
                constraints: None,
                stop: &AtomicBool::new(false),
            };
            attack.run(target, None, &problem).unwrap()
        };
        let run = &run;
        let found = match together {
            false => LADDER.map(|eps| run(&target, eps)).to_vec(),
            true => {
                let runs = LADDER.map(|eps| move |target: &dyn Gradients| run(target, eps));
                abreast(&target, runs.to_vec())
            }
        };
        (found, target.spent())
    }

    #[test]
    fn a_run_finds_what_it_finds_alone_in_fewer_calls() {
        for name in [
            "pgd:steps=7:restarts=2",
            "apgd-ce:steps=9",
            "apgd-t:steps=9:targets=3",
            "square:queries=20",
            "hop-skip-jump:queries=60",
        ] {
            let ((alone, one), (together, all)) = (found(name, false), found(name, true));
            assert!(alone[0].len() < 9 && !alone[2].is_empty(), "{name}");
            assert_eq!(together, alone, "{name}");
            let asked = |spent: Spent| (spent.queries, spent.gradients);
            assert_eq!(asked(all), asked(one), "{name}");
            assert!(all.calls < one.calls, "{name}");
        }
    }

    /// A target that panics whatever it is asked.
    struct Broken;

    impl Labels for Broken {
        fn classes(&self) -> usize {
            2
        }

        fn sample_shape(&self) -> &[usize] {
            &[7]
        }

        fn device(&self) -> &Device {
            &Device::Cpu
        }

        fn labels(&self, _: &Array) -> Result<Array<u32>, Error> {
            panic!("no labels")
        }
    }

    impl Scores for Broken {
        fn scores(&self, _: &Array) -> Result<Array, Error> {
            panic!("no scores")
        }
    }

    impl Gradients for Broken {
        fn gradient(&self, _: &Array, _: &Array<u32>, _: Loss) -> Result<Evaluation, Error> {
            panic!("no gradient")
        }

        fn divergence(&self, _: &Array, _: &Array) -> Result<Array, Error> {
            panic!("no divergence")
        }
    }

    /// The others do not wait for ever.
    #[test]
    #[should_panic(expected = "no scores")]
    fn a_panic_ends_all_runs() {
        let x = &Array::filled(&Device::Cpu, 2, 7, 0.5).unwrap();
        let run = |_| move |seat: &dyn Gradients| seat.scores(x).map(|scores| scores.cols()).ok();
        abreast(&Broken, [1, 2, 3].map(run).into());
    }

    #[test]
    fn runs_of_any_length_and_kind_end() {
        let target = target();
        let x = Array::filled(&Device::Cpu, 2, 7, 0.5).unwrap();
        let run = |number: u32| {
            let (target, x) = (&target, &x);
            move |seat: &dyn Gradients| {
                for _ in 0..number {
                    let y = Array::filled(&Device::Cpu, 2, 1, number).unwrap();
                    let seen = seat.gradient(x, &y, Loss::CrossEntropy).unwrap();
                    let alone = target.inner().gradient(x, &y, Loss::CrossEntropy).unwrap();
                    assert_eq!(
                        seen.gradient.to_vec().unwrap(),
                        alone.gradient.to_vec().unwrap()
                    );
                    assert_eq!(seat.scores(x).unwrap().cols(), 4);
                }
                seat.labels(x).unwrap();
                number
            }
        };
        let runs = [3, 0, 1, 2].map(run).into();
        assert_eq!(abreast(&target, runs), [3, 0, 1, 2]);
    }
}
