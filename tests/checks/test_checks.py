"""The checks find what they look for: a small sound tree passes each of them, and each planted violation is named."""

import sys
import tempfile
from pathlib import Path

import check_asserts
import check_layers
import check_names
import check_sizes
import check_words
from source_tree import functions

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402

SOUND_TEST = """
#include <cmocka.h>
static void helper(int x) { assert_int_equal(x, 1); }
static void one_is_one(void **state) { helper(1); }
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_is_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
"""
SOUND = {
    "include/palimpsest/base.h": "#include <stdint.h>\n",
    "include/palimpsest/spec.h": '#include "palimpsest/base.h"\n',
    "include/palimpsest/store.h": '#include <mpi.h>\n#include "palimpsest/plan.h"\n',
    "include/palimpsest/plan.h": '#include "palimpsest/config.h"\n',
    "include/palimpsest/config.h": '#include "palimpsest/spec.h"\n',
    "src/plan/CMakeLists.txt": "palimpsest_room(plan SOURCES grid.c ROOMS base spec config LIBRARIES m)\n",
    "src/plan/grid.c": '#include "plan_private.h"\n#include <math.h>\n'
                       '/* #include "palimpsest/store.h" is only spoken of */\n'
                       'const char *text = "} {";\nint f(int (*g)(int), int x)\n{\n    return g(x);\n}\n',
    "src/plan/plan_private.h": '#include "palimpsest/plan.h"\n',
    "tests/plan/CMakeLists.txt": "palimpsest_test(test_grid ROOMS plan)\n",
    "tests/plan/test_grid.c": SOUND_TEST,
}


def violations(check, **changes):
    """What `check` says of the sound tree with files replaced or added: planted={"path": "text"}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**SOUND, **changes.get("planted", {})}.items():
            file = Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return check(root)


def expect(check, path, text, *words):
    """Planting `text` at `path` gives violations that name the place and hold each of `words`."""
    found = "\n".join(violations(check, planted={path: text}))
    for word in (path, *words):
        assert word in found, f"{word!r} is missing in {found!r}"


@sentence
def a_sound_tree_passes_every_check():
    for module in (check_layers, check_sizes, check_names, check_words, check_asserts):
        assert violations(module.check) == [], module.__name__


@sentence
def a_room_that_reaches_above_itself_is_found():
    expect(check_layers.check, "src/plan/above.c", '\n# include "palimpsest/store.h"\n', ":2:", "plan may not include store")
    expect(check_layers.check, "include/palimpsest/base.h", '#include "palimpsest/spec.h"\n', "base may not include spec")


@sentence
def a_foreign_library_outside_its_room_is_found():
    expect(check_layers.check, "src/plan/grid.c", "#include <mpi.h>\n", "mpi.h belongs to store schedule cli")
    expect(check_layers.check, "src/store/rows.c", "#include <yaml.h>\n", "yaml.h belongs to config")
    expect(check_layers.check, "src/plan/grid.c", "#include <curl/curl.h>\n", "curl/curl.h is neither")


@sentence
def the_private_header_of_another_room_is_found():
    expect(check_layers.check, "src/store/rows.c", '#include "plan_private.h"\n', "plan_private.h is neither")


@sentence
def a_link_outside_the_table_is_found():
    expect(check_layers.check, "src/plan/CMakeLists.txt",
           "palimpsest_room(plan SOURCES grid.c ROOMS base store LIBRARIES m)\n", "plan may not link store")


@sentence
def an_unknown_room_is_found():
    expect(check_layers.check, "src/cellar/wine.c", "\n", "no room cellar")


@sentence
def a_long_file_is_found():
    expect(check_sizes.check, "src/plan/long.c", "\n" * 601, "601 lines")


@sentence
def a_long_function_is_found_with_its_name():
    expect(check_sizes.check, "src/plan/long.c", "int endless(void)\n{\n" + "    f();\n" * 81 + "}\n", "endless has 81")


@sentence
def many_middling_functions_are_found():
    middling = "".join(f"int f{i}(void)\n{{\n" + "    g();\n" * 45 + "}\n" for i in range(9))
    assert "one function in ten" in "\n".join(violations(check_sizes.check, planted={"src/plan/middling.c": middling}))


@sentence
def functions_are_measured_through_macros_and_text():
    code = '#define A(x) {\nstruct s { int a; };\nint t[] = {1};\nstatic int f(int a,\n             int b)\n{\n    if (a) { g("}"); }\n    h();\n}\nint k(void) { return 1; }\n'
    assert [(f.name, f.line, f.lines) for f in functions(code)] == [("f", 6, 2), ("k", 10, 1)]


@sentence
def a_name_taken_twice_is_found():
    expect(check_names.check, "tests/plan/grid.c", "\n", "taken by src/plan/grid.c")


@sentence
def work_put_off_is_found():
    for word in ("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK", "Not Impl" "emented", "place" "holder"):
        expect(check_words.check, "src/plan/late.c", f"\n/* {word}: later */\n", ":2:", word)


@sentence
def a_template_of_a_temporary_name_is_no_violation():
    assert violations(check_words.check, planted={"src/plan/temp.c": 'char *t = "a.' + "X" * 6 + '";\n'}) == []


@sentence
def a_case_that_asserts_nothing_is_found():
    expect(check_asserts.check, "tests/plan/test_grid.c", SOUND_TEST.replace("helper(1);", "(void)state;"),
           "one_is_one asserts nothing")


@sentence
def a_program_that_always_exits_0_is_found():
    expect(check_asserts.check, "tests/plan/test_grid.c", SOUND_TEST.replace("return cmocka", "cmocka"),
           "does not become its exit status")


@sentence
def a_program_without_cases_is_found():
    expect(check_asserts.check, "tests/plan/test_grid.c", "int main(void) { return 0; }\n", "without a test")


@sentence
def a_test_that_nobody_builds_is_found():
    expect(check_asserts.check, "tests/plan/test_lost.c", SOUND_TEST, "no CMakeLists.txt builds it")


if __name__ == "__main__":
    run_sentences()
