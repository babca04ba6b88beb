"""Pictures: files of any size and kind as events, what they measure of samples, and what a report shows of them."""

from quasistatic.kits.pictures.decoding import Page as Page
from quasistatic.kits.pictures.decoding import decode as decode
from quasistatic.kits.pictures.drawing import draw_picture as draw_picture
from quasistatic.kits.pictures.drawing import filters as filters
from quasistatic.kits.pictures.drawing import neighbours as neighbours
from quasistatic.kits.pictures.drawing import strip as strip
from quasistatic.kits.pictures.files import cut_squares as cut_squares
from quasistatic.kits.pictures.files import read_pictures as read_pictures
from quasistatic.kits.pictures.judging import measures as measures
from quasistatic.kits.pictures.judging import nearest_training as nearest_training
from quasistatic.kits.pictures.options import PICTURES as PICTURES
from quasistatic.kits.pictures.options import CutChoices as CutChoices
from quasistatic.kits.pictures.options import PictureChoices as PictureChoices
from quasistatic.kits.pictures.panels import in_a_row as in_a_row
from quasistatic.kits.pictures.panels import picture_alone as picture_alone
from quasistatic.kits.pictures.panels import stacked as stacked
from quasistatic.kits.pictures.panels import triptych as triptych
from quasistatic.kits.pictures.report import AbstractPictureReport as AbstractPictureReport
from quasistatic.kits.pictures.restoring import restored as restored
from quasistatic.kits.pictures.source import PictureSource as PictureSource
from quasistatic.kits.pictures.stored import Pictures as Pictures
from quasistatic.kits.pictures.stored import in_view as in_view
