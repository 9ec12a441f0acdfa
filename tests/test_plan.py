from dataclasses import replace

import pytest
from small_project import row

from sgleval.errors import UserError
from sgleval.plan import make_plan
from sgleval.runtime.connect import find_model
from sgleval.task import load_task


def planned(project, limit=None, **given):
    model = replace(find_model(project.model), **given)
    return make_plan(load_task(project.task), model, limit, 0)


def refused(project):
    with pytest.raises(UserError) as error:
        planned(project)
    assert "\n" not in str(error.value)
    assert project.calls() == []
    return str(error.value)


PROGRAM = """
@sgl.function
def ask(s, image, question):
    {first}
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("{variable}"))
    {last}
"""


def program(first="pass", variable="answer", last="pass"):
    return PROGRAM.format(first=first, variable=variable, last=last)


def test_a_plan_has_a_request_per_sample_and_variant_in_the_datasets_order(project):
    project.write_task(variants="{'bare': {}, 'again': {'question': 'Say it now'}}")
    project.write_model(prompt=", prompt")
    plan = planned(project)
    asked = [(request.sample.id, request.variant) for request in plan.requests()]
    assert asked == [(f"s{n}", variant) for n in range(3) for variant in ("bare", "again")]
    assert len({request.key for request in plan.requests()}) == 6
    assert [request.key for request in plan.requests()] == [r.key for r in plan.requests()]


def test_nothing_is_asked_while_planning(project):
    planned(project)
    assert project.calls() == []


def test_a_larger_limit_contains_a_smaller_one(project):
    project.data(*map(row, range(30)))
    keys = {
        limit: {request.key for request in planned(project, limit).requests()}
        for limit in (5, 12, "2i", None)
    }
    assert {limit: len(kept) for limit, kept in keys.items()} == {5: 5, 12: 12, "2i": 20, None: 30}
    assert keys[5] < keys[12] < keys[None]


@pytest.mark.parametrize("limit", [0, "0", "-1", "x", "5 i", "0i"])
def test_a_limit_that_takes_nothing_is_refused(project, limit):
    with pytest.raises(UserError, match="give a number of samples from 1 on"):
        planned(project, limit)


def test_a_program_that_fails_before_its_first_gen_is_found(project):
    project.write_task(code=program(first="{}['gone']"))
    assert refused(project) == (
        "program ask: KeyError: 'gone'; mend it, it failed before its first gen"
    )


def test_a_program_that_fails_on_an_empty_answer_may_still_be_right(project):
    project.write_task(code=program(last="s['answer'][0]"))
    assert planned(project).scan.n == 3


def test_a_program_without_the_variable_answer_is_found(project):
    project.write_task(code=program(variable="reply"))
    assert refused(project) == (
        "program ask: no variable `answer`; name a gen so, or give the task extract="
    )


def test_extract_takes_any_variable_for_the_answer(project):
    project.write_task(code=program(variable="reply"), extract="lambda said: said['reply']")
    assert planned(project).scan.n == 3


def test_a_parameter_that_nothing_fills_is_found(project):
    project.write_task(code=program().replace("question)", "question, kind)", 1))
    assert "nothing fills the parameter 'kind'" in refused(project)


def test_a_variant_that_holds_what_no_digest_can_say_is_found(project):
    project.write_task(variants="{'odd': {'question': object()}}")
    assert "variant 'odd': argument 'question' holds a object" in refused(project)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return Ratio(prediction.lower() in answers)", "AttributeError: 'NoneType' object has no"),
        ("return 1.0", "metric mine returned 1.0; return a Ratio"),
    ],
)
def test_a_metric_that_cannot_score_a_missing_answer_is_found(project, body, what):
    project.write_task(code=f"def mine(prediction, answers):\n    {body}\n", metrics="[mine]")
    line = refused(project)
    assert line.startswith("sample 's0', had it no answer: metric mine")
    assert what in line


@pytest.mark.parametrize(
    ("task", "what"),
    [
        (
            {"code": program(first='s += ANSWER.gen("draft")')},
            "program ask generates 2 times, which predict(images, question, choices) cannot see",
        ),
        ({"answer": "Json.strings(a=9)"}, "program ask answers in JSON, which predict("),
        (
            {"variants": "{'a': {}, 'b': {'question': 'Say it'}}"},
            "2 variants are to be compared, which predict(",
        ),
    ],
)
def test_what_predict_cannot_see_is_refused_unless_it_takes_the_prompt(project, task, what):
    project.write_task(**task)
    assert refused(project).startswith(what)
    project.write_model(prompt=", prompt")
    assert planned(project).scan.n == 3


def test_answers_that_the_constraint_cannot_produce_are_told(project):
    rows = [row(n, answers=["maybe"] if n < 4 else ["yes"]) for n in range(6)]
    project.data(*rows)
    project.write_task(answer="YesNo()")
    assert planned(project, constrained=True, note="it guesses").note == (
        "it guesses; 4 of the data's 6 samples accept no answer that the constraint can produce"
        " (s0, s1, s2, ...)"
    )
    assert planned(project).note is None  # no constraint reaches `predict`
    assert planned(project, constrained=True).scan.unreachable == 4


def test_all_problems_of_the_data_come_at_once(project):
    project.data(row(1, question=" "), row(2, answers=[]), row(2), row(3, image="gone.png"))
    with pytest.raises(UserError) as error:
        planned(project)
    data = project.folder / "data" / "data.jsonl"
    assert [line.partition(": ")[0] for line in str(error.value).splitlines()] == [
        f"{data}:{line}" for line in (1, 2, 3, 4)
    ]


def test_the_identity_is_of_program_model_and_seed_and_not_of_data_or_metrics(project):
    identity = planned(project).identity
    project.data(*map(row, range(5)))
    project.write_task(metrics="[anls]")
    assert planned(project, limit=2).identity == identity
    project.write_task(code=program(first="s += sgl.system('Read.')"))
    assert planned(project).identity != identity
    project.write_task()
    assert planned(project, identity="another model").identity != identity
    assert planned(project, constrained=True).identity != identity
    task, model = load_task(project.task), find_model(project.model)
    assert make_plan(task, model, None, 1).identity != identity
