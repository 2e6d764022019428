"""The data of the course.

digits(seed)         scikit-learn's 8×8 handwritten digits, split in three
photo(name, size)    a photograph from scikit-image; PHOTOS lists them
public               Fashion-MNIST and MNIST: downloaded, checked, cached
to_float(images)     uint8 channels-last → float channels-first
"""

from mmlearn.data import public
from mmlearn.data.digits import digits
from mmlearn.data.photos import PHOTOS, photo
from mmlearn.data.splits import ImageSplits, Labelled, to_float

__all__ = ["PHOTOS", "ImageSplits", "Labelled", "digits", "photo", "public", "to_float"]
