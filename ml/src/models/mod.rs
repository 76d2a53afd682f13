//! Learners. One so far: linfa's multinomial logistic regression, the best of linfa's on this data and the
//! only one with honest probabilities; linfa's decision tree answers hard labels, and its splits depend on
//! the iteration order of a hash map, so that two runs need not agree.

mod logistic;

pub use self::logistic::LogisticModel;
