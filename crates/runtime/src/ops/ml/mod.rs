//! The ONNX-ML domain: trees, linear models, support vectors, and text features.

mod array_feature_extractor;
mod binarizer;
mod category_mapper;
mod class_trees;
mod coupling;
mod feature_vectorizer;
mod forest;
mod forest_builder;
mod imputer;
mod label_encoder;
mod labels;
mod leaves;
mod linear;
mod linear_classifier;
mod linear_regressor;
mod mapping;
mod matrix;
mod normalizer;
mod one_hot_encoder;
mod post_transform;
mod re2;
mod regex_full_match;
mod scaler;
mod string_concat;
mod string_normalizer;
mod string_split;
mod svm;
mod svm_classifier;
mod svm_regressor;
mod text;
mod tfidf_vectorizer;
mod tokenizer;
mod tree_ensemble;
mod tree_ensemble_classifier;
mod tree_ensemble_regressor;
mod tree_nodes;

use burn_backend::Backend;

pub(crate) use class_trees::class_trees;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::zero("RegexFullMatch", regex_full_match::parse),
        Row::zero("StringConcat", string_concat::parse),
        Row::zero("StringNormalizer", string_normalizer::parse),
        Row::zero("StringSplit", string_split::parse),
        Row::zero("TfIdfVectorizer", tfidf_vectorizer::parse),
        Row::exact(
            "ai.onnx.ml.ArrayFeatureExtractor",
            array_feature_extractor::parse,
        ),
        Row::zero("ai.onnx.ml.Binarizer", binarizer::parse),
        Row::zero("ai.onnx.ml.CategoryMapper", category_mapper::parse),
        Row::exact("ai.onnx.ml.FeatureVectorizer", feature_vectorizer::parse),
        Row::exact("ai.onnx.ml.Imputer", imputer::parse),
        Row::zero("ai.onnx.ml.LabelEncoder", label_encoder::parse),
        Row::exact("ai.onnx.ml.LinearClassifier", linear_classifier::parse),
        Row::exact("ai.onnx.ml.LinearRegressor", linear_regressor::parse),
        Row::exact("ai.onnx.ml.Normalizer", normalizer::parse),
        Row::zero("ai.onnx.ml.OneHotEncoder", one_hot_encoder::parse),
        Row::exact("ai.onnx.ml.SVMClassifier", svm_classifier::parse),
        Row::exact("ai.onnx.ml.SVMRegressor", svm_regressor::parse),
        Row::exact("ai.onnx.ml.Scaler", scaler::parse),
        Row::zero("ai.onnx.ml.TreeEnsemble", tree_ensemble::parse),
        Row::zero(
            "ai.onnx.ml.TreeEnsembleClassifier",
            tree_ensemble_classifier::parse,
        ),
        Row::zero(
            "ai.onnx.ml.TreeEnsembleRegressor",
            tree_ensemble_regressor::parse,
        ),
        Row::zero("com.microsoft.Tokenizer", tokenizer::parse),
    ]
}
