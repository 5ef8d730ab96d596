from services.edge.suggestion import did_you_mean


def test_the_nearest_name_ends_the_sentence_and_none_is_forced() -> None:
    assert did_you_mean("resnet-51", ["alexnet", "resnet-50"]) == "; did you mean 'resnet-50'?"
    assert did_you_mean("zebra", ["alexnet", "resnet-50"]) == ""
