import pytest
from tests.support.airflow_runs import run
from tests.support.airflow_versions import DagBag
pytestmark = pytest.mark.usefixtures("database")
@pytest.mark.parametrize("on_closed",["fail","skip"])
def test_it(on_closed):
    bag = DagBag(dag_folder="/tmp/corpus/dags")
    print("RES", bag.import_errors, run(bag.dags["td_"+on_closed]))
