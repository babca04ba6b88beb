"""Classes of events: K where the class is not known, and classes that are learned without labels."""

from quasistatic.kits.classes.agreement import mutual_information as mutual_information
from quasistatic.kits.classes.grouping import grouped as grouped
from quasistatic.kits.classes.learning import ClassModel as ClassModel
from quasistatic.kits.classes.learning import LearnedClasses as LearnedClasses
from quasistatic.kits.classes.learning import fit_classes as fit_classes
from quasistatic.kits.classes.learning import learn_classes as learn_classes
from quasistatic.kits.classes.unknown import Alternatives as Alternatives
from quasistatic.kits.classes.unknown import alternatives as alternatives
