// Loads a SavedModel as TensorFlow Serving does, asks every signature what was recorded, compares.
//
//   consumer SAVED_MODEL EXAMPLES [LIBRARY_WITH_OPERATIONS ...]
//
// EXAMPLES holds words: "case SIGNATURE", then tensors "in|out NAME TYPE RANK SIZES... VALUES...".
// Texts are written in hexadecimal after an x. Prints the number of equal cases of each signature.
#include <dlfcn.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <map>

#include "tensorflow/cc/saved_model/loader.h"

using tensorflow::Tensor;

[[noreturn]] void fail(const std::string& message) {
  std::cout << "error: " << message << std::endl;
  std::exit(1);
}

template <typename T>
void read_numbers(std::istream& file, Tensor* tensor) {
  double value;
  for (int64_t i = 0; i < tensor->NumElements() && file >> value; ++i) tensor->flat<T>()(i) = value;
}

Tensor read_tensor(std::istream& file) {
  std::string type, word;
  int rank = 0;
  file >> type >> rank;
  tensorflow::TensorShape shape;
  for (int64_t size; rank > 0 && file >> size; --rank) shape.AddDim(size);
  if (type == "float32") {
    Tensor tensor(tensorflow::DT_FLOAT, shape);
    return read_numbers<float>(file, &tensor), tensor;
  }
  if (type == "int32") {
    Tensor tensor(tensorflow::DT_INT32, shape);
    return read_numbers<int32_t>(file, &tensor), tensor;
  }
  if (type == "bool") {
    Tensor tensor(tensorflow::DT_BOOL, shape);
    return read_numbers<bool>(file, &tensor), tensor;
  }
  Tensor tensor(tensorflow::DT_STRING, shape);
  for (int64_t i = 0; i < tensor.NumElements() && file >> word; ++i)
    for (size_t j = 1; j + 1 < word.size(); j += 2)
      tensor.flat<tensorflow::tstring>()(i).push_back(std::stoi(word.substr(j, 2), nullptr, 16));
  return tensor;
}

template <typename T>
bool equal(const Tensor& a, const Tensor& b, double tolerance) {
  for (int64_t i = 0; i < a.NumElements(); ++i) {
    if constexpr (std::is_same_v<T, float>) {
      const double x = a.flat<T>()(i), y = b.flat<T>()(i);
      if (x != y && !(std::abs(x - y) <= tolerance * std::max(1.0, std::abs(x) / 100))) return false;
    } else if (a.flat<T>()(i) != b.flat<T>()(i)) {
      return false;
    }
  }
  return true;
}

std::string without_zeros(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() == tensorflow::DT_FLOAT) return equal<float>(a, b, 1e-4);
  if (a.dtype() == tensorflow::DT_INT32) return equal<int32_t>(a, b, 0);
  if (a.dtype() == tensorflow::DT_BOOL) return equal<bool>(a, b, 0);
  // NumPy, which recorded the answers, drops zero bytes at the end of a string.
  for (int64_t i = 0; i < a.NumElements(); ++i)
    if (without_zeros(a.flat<tensorflow::tstring>()(i)) !=
        without_zeros(b.flat<tensorflow::tstring>()(i)))
      return false;
  return true;
}

int main(int count, char** arguments) {
  for (int i = 3; i < count; ++i)
    if (!dlopen(arguments[i], RTLD_NOW | RTLD_GLOBAL)) fail(dlerror());
  tensorflow::SavedModelBundle bundle;
  const auto loaded = tensorflow::LoadSavedModel({}, {}, arguments[1],
                                                 {"serve"}, &bundle);
  if (!loaded.ok()) fail(loaded.ToString());

  std::ifstream file(arguments[2]);
  std::map<std::string, int> passed;
  std::string word, signature, name;
  file >> word;
  while (file && word == "case") {
    file >> signature;
    const auto found = bundle.GetSignatures().find(signature);
    if (found == bundle.GetSignatures().end()) fail("no signature " + signature);
    std::vector<std::pair<std::string, Tensor>> inputs;
    std::vector<std::string> names, fetches;
    std::vector<Tensor> expected, outputs;
    while (file >> word && word != "case") {
      file >> name;
      const auto& tensors = word == "in" ? found->second.inputs() : found->second.outputs();
      if (!tensors.count(name)) fail(signature + " has no " + name);
      const std::string& place = tensors.at(name).name();
      if (word == "in") {
        inputs.emplace_back(place, read_tensor(file));
      } else {
        names.push_back(name);
        fetches.push_back(place);
        expected.push_back(read_tensor(file));
      }
    }
    const auto ran = bundle.GetSession()->Run(inputs, fetches, {}, &outputs);
    if (!ran.ok()) fail(signature + ": " + ran.ToString());
    for (size_t i = 0; i < names.size(); ++i)
      if (!same(expected[i], outputs[i])) fail(signature + ": output " + names[i] + " differs");
    ++passed[signature];
  }
  if (file.bad() || passed.empty()) fail("the examples cannot be read");
  for (const auto& [key, cases] : passed) std::cout << key << " " << cases << "\n";
}
