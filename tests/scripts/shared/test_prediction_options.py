"""Commands that segment CTs share the flags of prediction."""

import typer

from pneumoseg.scripts.predict import predict
from pneumoseg.scripts.watch import watch


def flags(function):
    app = typer.Typer()
    app.command()(function)
    return {name: parameter.help for parameter in typer.main.get_command(app).params for name in parameter.opts}


def test_predict_and_watch_name_the_same_flags_in_the_same_words():
    of_predict, of_watch = flags(predict), flags(watch)
    for name in ("--model", "--engine", "--precision", "--sr", "--secondary-capture", "--assign-uids", "--allow-gaps"):
        assert of_predict[name] == of_watch[name]
