//! A text classifier on raw messages: StringNormalizer, Tokenizer, TfIdfVectorizer, LinearClassifier.

use std::collections::BTreeMap;
use std::io::Read;

use scoville_onnx::{Data, Tensor};
use scoville_runtime::{Feed, evaluate};

use crate::shared;

/// Messages with whether they are spam.
fn messages(compressed: &[u8]) -> Vec<(bool, String)> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(compressed)
        .read_to_string(&mut text)
        .expect("UTF-8");
    let message = |line: &str| {
        let (label, message) = line.split_once('\t').expect("two columns");
        (label == "spam", message.to_owned())
    };
    text.lines().map(message).collect()
}

#[test]
fn spam_is_told_as_onnxruntime_tells_it() {
    let Some(data) = shared::data() else { return };
    let folder = data.join("text");
    let messages = messages(&shared::bytes(&folder.join("sms_spam_collection.tsv.gz")));
    assert_eq!(messages.len(), 5574);
    let graph = scoville_onnx::load(&folder.join("sms_spam_tfidf_lr.onnx")).expect("loads");
    let (mut right, mut caught, mut false_alarms, mut spam) = (0, 0, 0, 0);
    for chunk in messages.chunks(1024) {
        let texts = chunk.iter().map(|(_, text)| text.clone()).collect();
        let input = Tensor {
            shape: vec![chunk.len(), 1],
            data: Data::String(texts),
        };
        let inputs = BTreeMap::from([("input".to_owned(), input)]);
        let outputs = evaluate(graph.clone(), &inputs, Feed::Floats).expect("runs");
        let labels = outputs[0].to_i64().expect("labels");
        let scores = outputs[1].to_f32().expect("probabilities");
        for ((label, scores), (is_spam, _)) in labels.iter().zip(scores.chunks(2)).zip(chunk) {
            let flagged = *label == 1;
            assert_eq!(flagged, scores[1] > 0.5);
            assert!((scores[0] + scores[1] - 1.0).abs() < 1e-6);
            right += usize::from(flagged == *is_spam);
            spam += usize::from(*is_spam);
            caught += usize::from(flagged && *is_spam);
            false_alarms += usize::from(flagged && !*is_spam);
        }
    }
    // What onnxruntime gives: 96.68 %, 76.2 % of the spam, 7 false positives.
    assert_eq!((right, false_alarms), (5389, 7));
    assert_eq!((caught, spam), (569, 747));
}
