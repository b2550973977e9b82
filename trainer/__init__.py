"""Arrays and tensors: networks, training, metrics, engines, uncertainty, sampling, phantoms."""
