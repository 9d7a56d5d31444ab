(* The chain rule for the Fréchet derivative, and what follows from it: rules for arithmetic,
   the derivative along any path, and partial derivatives. *)
Require Import Reals Lra Lia List FunctionalExtensionality.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums.
Import ListNotations.
Open Scope R_scope.

Arguments frechet_linear {I l F x A}.
Arguments frechet_bounded {I l F x A}.
Arguments frechet_rest {I l F x A}.

(* Equal numbers are the same derivative. *)
Lemma is_derive_eq (F : R -> R) (t d d' : R) : is_derive F t d -> d = d' :> R -> is_derive F t d'.
Proof. now intros H <-. Qed.

(* -------------------------------------------------------------------- the norm *)
Section Norm.
Context {I : Type}.
Implicit Types (l : list I) (h k : I -> R).

Lemma norm_nonneg l h : 0 <= norm l h.
Proof.
  induction l as [|i l IH]; simpl; [lra|]. pose proof (Rabs_pos (h i)). lra.
Qed.

Lemma norm_coord l h i : In i l -> Rabs (h i) <= norm l h.
Proof.
  induction l as [|j l IH]; simpl; [tauto|].
  pose proof (norm_nonneg l h). pose proof (Rabs_pos (h j)).
  intros [->|H']; [lra|]. specialize (IH H'). lra.
Qed.

Lemma norm_zero l h : (forall i, In i l -> h i = 0) -> norm l h = 0.
Proof.
  induction l as [|i l IH]; simpl; intros H; [reflexivity|].
  rewrite IH by (intros; apply H; now right). rewrite H by now left. rewrite Rabs_R0. ring.
Qed.

Lemma norm_triangle l h k : norm l (fun i => h i + k i) <= norm l h + norm l k.
Proof.
  induction l as [|i l IH]; simpl; [lra|]. pose proof (Rabs_triang (h i) (k i)). lra.
Qed.
End Norm.

(* A bounded linear map sees only the listed coordinates. *)
Lemma frechet_local {I} {l : list I} {F x A} : frechet l F x A ->
  forall h k, (forall i, In i l -> h i = k i) -> A h = A k.
Proof.
  intros HF h k H. destruct (frechet_bounded HF) as [C [_ HC]].
  specialize (HC (fun i => -1 * h i + k i)).
  rewrite (frechet_linear HF), norm_zero, Rmult_0_r in HC
    by (intros i Hi; rewrite H by exact Hi; ring).
  pose proof (Rabs_pos (-1 * A h + A k)).
  assert (E : Rabs (-1 * A h + A k) = 0) by lra. apply Rabs_eq_0 in E. lra.
Qed.

Lemma frechet_eq {I} (l : list I) F x A A' :
  frechet l F x A -> (forall h, A h = A' h) -> frechet l F x A'.
Proof.
  intros H E. now replace A' with A by now apply functional_extensionality.
Qed.

Lemma frechet_ext {I} (l : list I) F F' x A :
  (forall z, F z = F' z) -> frechet l F x A -> frechet l F' x A.
Proof. intros E. now replace F' with F by now apply functional_extensionality. Qed.

(* ----------------------------------------------------- maps with several values *)
Section Maps.
Context {I J : Type} (l : list I).
Variables (g : (I -> R) -> J -> R) (x : I -> R) (B : J -> (I -> R) -> R).

Lemma maps_bounded m : (forall j, In j m -> frechet l (fun z => g z j) x (B j)) ->
  exists C, 0 <= C /\ forall h, norm m (fun j => B j h) <= C * norm l h.
Proof.
  induction m as [|j m IH]; intros H; simpl.
  - exists 0. split; [lra|]. intros h. pose proof (norm_nonneg l h). lra.
  - destruct IH as [C [HC0 HC]]; [intros; apply H; now right|].
    destruct (frechet_bounded (H j (or_introl eq_refl))) as [C' [HC0' HC']].
    exists (C' + C). split; [lra|]. intros h. specialize (HC h). specialize (HC' h). lra.
Qed.

Lemma maps_rest m : (forall j, In j m -> frechet l (fun z => g z j) x (B j)) ->
  forall e, 0 < e -> exists d, 0 < d /\ forall z, norm l (diff z x) < d ->
    norm m (fun j => diff (g z) (g x) j - B j (diff z x)) <= e * norm l (diff z x).
Proof.
  induction m as [|j m IH]; intros H e He; simpl.
  - exists 1. split; [lra|]. intros z _. pose proof (norm_nonneg l (diff z x)). nra.
  - destruct (IH (fun j' Hj => H j' (or_intror Hj)) (e / 2)) as [d [Hd K]]; [lra|].
    destruct (frechet_rest (H j (or_introl eq_refl)) (e / 2)) as [d' [Hd' K']]; [lra|].
    exists (Rmin d d'). split; [now apply Rmin_pos|]. intros z Hz.
    specialize (K z (Rlt_le_trans _ _ _ Hz (Rmin_l _ _))).
    specialize (K' z (Rlt_le_trans _ _ _ Hz (Rmin_r _ _))).
    unfold diff at 1. lra.
Qed.
End Maps.

(* ------------------------------------------------------------------- chain rule *)
Section Chain.
Context {I J : Type} {l : list I} {m : list J}.
Variables (F : (J -> R) -> R) (g : (I -> R) -> J -> R) (x : I -> R).
Variables (A : (J -> R) -> R) (B : J -> (I -> R) -> R).
Hypothesis HF : frechet m F (g x) A.
Hypothesis Hg : forall j, In j m -> frechet l (fun z => g z j) x (B j).

Lemma chain_linear c h k :
  A (fun j => B j (fun i => c * h i + k i)) = c * A (fun j => B j h) + A (fun j => B j k).
Proof.
  rewrite <- (frechet_linear HF). apply (frechet_local HF). intros j Hj.
  apply (frechet_linear (Hg j Hj)).
Qed.

Lemma chain_bounded : exists C, 0 <= C /\ forall h, Rabs (A (fun j => B j h)) <= C * norm l h.
Proof.
  destruct (frechet_bounded HF) as [CA [HA0 HA]].
  destruct (maps_bounded l g x B m Hg) as [CB [HB0 HB]].
  exists (CA * CB). split; [nra|]. intros h. specialize (HA (fun j => B j h)). specialize (HB h).
  pose proof (norm_nonneg m (fun j => B j h)). nra.
Qed.

(* A (g z - g x) and A (B (z - x)) differ by A of what is left over. *)
Lemma chain_split z : A (diff (g z) (g x)) - A (fun j => B j (diff z x))
  = A (fun j => diff (g z) (g x) j - B j (diff z x)).
Proof.
  replace (fun j => diff (g z) (g x) j - B j (diff z x))
    with (fun j => -1 * B j (diff z x) + diff (g z) (g x) j)
    by (apply functional_extensionality; intros; ring).
  rewrite (frechet_linear HF). ring.
Qed.

Lemma chain_rest e : 0 < e -> exists d, 0 < d /\ forall z, norm l (diff z x) < d ->
  Rabs (F (g z) - F (g x) - A (fun j => B j (diff z x))) <= e * norm l (diff z x).
Proof.
  intros He.
  destruct (frechet_bounded HF) as [CA [HA0 HA]].
  destruct (maps_bounded l g x B m Hg) as [CB [HB0 HB]].
  set (e1 := e / (2 * (CB + 1))). set (e2 := e / (2 * (CA + 1))).
  assert (He1 : 0 < e1) by (apply Rdiv_lt_0_compat; lra).
  assert (He2 : 0 < e2) by (apply Rdiv_lt_0_compat; lra).
  assert (E1 : e1 * (CB + 1) = e / 2) by (unfold e1; field; lra).
  assert (E2 : e2 * (CA + 1) = e / 2) by (unfold e2; field; lra).
  destruct (frechet_rest HF e1 He1) as [d1 [Hd1 K1]].
  destruct (maps_rest l g x B m Hg 1 Rlt_0_1) as [d2 [Hd2 K2]].
  destruct (maps_rest l g x B m Hg e2 He2) as [d3 [Hd3 K3]].
  assert (Hd1' : 0 < d1 / (CB + 1)) by (apply Rdiv_lt_0_compat; lra).
  exists (Rmin (d1 / (CB + 1)) (Rmin d2 d3)). split; [now repeat apply Rmin_pos|]. intros z Hz.
  assert (Z1 := Rlt_le_trans _ _ _ Hz (Rmin_l _ _)).
  assert (Z23 := Rlt_le_trans _ _ _ Hz (Rmin_r _ _)).
  specialize (K2 z (Rlt_le_trans _ _ _ Z23 (Rmin_l _ _))).
  specialize (K3 z (Rlt_le_trans _ _ _ Z23 (Rmin_r _ _))).
  specialize (HB (diff z x)). pose proof (norm_nonneg l (diff z x)) as Hn.
  set (r := norm l (diff z x)) in *.
  set (rest := fun j => diff (g z) (g x) j - B j (diff z x)) in *.
  assert (Hg1 : norm m (diff (g z) (g x)) <= (CB + 1) * r).
  { replace (diff (g z) (g x)) with (fun j => rest j + B j (diff z x))
      by (apply functional_extensionality; intros; unfold rest; ring).
    pose proof (norm_triangle m rest (fun j => B j (diff z x))). lra. }
  assert (Hg2 : norm m (diff (g z) (g x)) < d1).
  { apply (Rmult_lt_compat_l (CB + 1)) in Z1; [|lra].
    replace ((CB + 1) * (d1 / (CB + 1))) with d1 in Z1 by (field; lra). lra. }
  specialize (K1 (g z) Hg2). specialize (HA rest).
  replace (F (g z) - F (g x) - A (fun j => B j (diff z x)))
    with ((F (g z) - F (g x) - A (diff (g z) (g x))) + A rest)
    by (unfold rest; rewrite <- chain_split; ring).
  eapply Rle_trans; [apply Rabs_triang|].
  assert (e1 * norm m (diff (g z) (g x)) <= e / 2 * r)
    by (rewrite <- E1, Rmult_assoc; apply Rmult_le_compat_l; lra).
  assert (CA * norm m rest <= CA * (e2 * r)) by (apply Rmult_le_compat_l; lra).
  assert (0 <= e2 * r) by (apply Rmult_le_pos; lra).
  assert (CA * (e2 * r) <= e / 2 * r) by (rewrite <- E2; nra).
  lra.
Qed.

Theorem frechet_chain : frechet l (fun z => F (g z)) x (fun h => A (fun j => B j h)).
Proof. split; [exact chain_linear|exact chain_bounded|exact chain_rest]. Qed.
End Chain.

(* ------------------------------------------------------- functions of one number *)
Lemma frechet_of_derive (f : R -> R) (t d : R) :
  is_derive f t d -> frechet [tt] (fun z => f (z tt)) (fun _ => t) (fun h => d * h tt).
Proof.
  intros Hf. apply is_derive_Reals in Hf. split.
  - intros; ring.
  - exists (Rabs d). split; [apply Rabs_pos|]. intros h. simpl. rewrite Rabs_mult. lra.
  - intros e He. destruct (Hf e He) as [[r Hr] K]. simpl in K. exists r. split; [exact Hr|].
    intros z Hz. simpl in *. rewrite Rplus_0_r in *. unfold diff in *.
    destruct (Req_dec (z tt - t) 0) as [E0|E0].
    + replace (z tt) with t by lra. rewrite !Rminus_eq_0, Rmult_0_r, Rminus_eq_0, Rabs_R0. lra.
    + specialize (K _ E0 Hz). replace (t + (z tt - t)) with (z tt) in K by ring.
      replace (f (z tt) - f t - d * (z tt - t))
        with (((f (z tt) - f t) / (z tt - t) - d) * (z tt - t)) by (field; exact E0).
      rewrite Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos|lra].
Qed.

Lemma derive_of_frechet F t A :
  frechet [tt] F (fun _ => t) A -> is_derive (fun r => F (fun _ => r)) t (A (fun _ => 1)).
Proof.
  intros HF. apply is_derive_Reals. intros e He.
  destruct (frechet_rest HF (e / 2)) as [d [Hd K]]; [lra|].
  exists (mkposreal _ Hd). simpl. intros h Hh0 Hh. specialize (K (fun _ => t + h)).
  simpl in K. rewrite Rplus_0_r in K. unfold diff in K.
  replace (t + h - t) with h in K by ring. specialize (K Hh).
  assert (L : A (fun _ => h) = h * A (fun _ => 1)).
  { pose proof (frechet_linear HF (h - 1) (fun _ => 1) (fun _ => 1)) as H.
    cbv beta in H.
    replace (fun _ : unit => (h - 1) * 1 + 1) with (fun _ : unit => h) in H
      by (apply functional_extensionality; intros; ring). lra. }
  rewrite L in K.
  replace ((F (fun _ => t + h) - F (fun _ => t)) / h - A (fun _ => 1))
    with ((F (fun _ => t + h) - F (fun _ => t) - h * A (fun _ => 1)) * / h) by (field; exact Hh0).
  rewrite Rabs_mult, Rabs_inv. pose proof (Rabs_pos_lt h Hh0).
  apply Rle_lt_trans with (e / 2 * Rabs h * / Rabs h).
  - apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat|exact K].
  - rewrite Rmult_assoc, Rinv_r by lra. lra.
Qed.

Section Rules.
Context {I : Type} {l : list I}.
Implicit Types (F : (I -> R) -> R) (x : I -> R).

Lemma frechet_comp (f : R -> R) F x (d : R) A :
  is_derive f (F x) d -> frechet l F x A -> frechet l (fun z => f (F z)) x (fun h => d * A h).
Proof.
  intros Hf HF.
  apply (frechet_chain (m := [tt]) (fun r => f (r tt)) (fun z _ => F z) x
           (fun h => d * h tt) (fun _ => A)).
  - now apply frechet_of_derive.
  - intros; exact HF.
Qed.

(* Along any path that is differentiable in the listed coordinates. *)
Lemma frechet_path F A (path : R -> I -> R) t (dpath : I -> R) :
  frechet l F (path t) A -> (forall i, In i l -> is_derive (fun r => path r i) t (dpath i)) ->
  is_derive (fun r => F (path r)) t (A dpath).
Proof.
  intros HF Hp.
  replace (A dpath) with (A (fun i => dpath i * 1))
    by (f_equal; apply functional_extensionality; intros; ring).
  apply (derive_of_frechet (fun z => F (path (z tt))) t (fun h => A (fun i => dpath i * h tt))).
  apply (frechet_chain F (fun z i => path (z tt) i) (fun _ => t) A (fun i h => dpath i * h tt) HF).
  intros i Hi. apply (frechet_of_derive (fun r => path r i)). now apply Hp.
Qed.

Lemma frechet_const c x : frechet l (fun _ => c) x (fun _ => 0).
Proof.
  split.
  - intros; ring.
  - exists 0. split; [lra|]. intros h. rewrite Rabs_R0. lra.
  - intros e He. exists 1. split; [lra|]. intros z _. pose proof (norm_nonneg l (diff z x)).
    replace (c - c - 0) with 0 by ring. rewrite Rabs_R0. nra.
Qed.

Lemma frechet_coord i x : In i l -> frechet l (fun z => z i) x (fun h => h i).
Proof.
  intros Hi. split.
  - intros; ring.
  - exists 1. split; [lra|]. intros h. rewrite Rmult_1_l. now apply norm_coord.
  - intros e He. exists 1. split; [lra|]. intros z _. pose proof (norm_nonneg l (diff z x)).
    unfold diff at 1. rewrite Rminus_eq_0, Rabs_R0. nra.
Qed.

Lemma frechet_plus F F' x A A' : frechet l F x A -> frechet l F' x A' ->
  frechet l (fun z => F z + F' z) x (fun h => A h + A' h).
Proof.
  intros [L1 [C1 [P1 B1]] R1] [L2 [C2 [P2 B2]] R2]. split.
  - intros. rewrite L1, L2. ring.
  - exists (C1 + C2). split; [lra|]. intros h. specialize (B1 h). specialize (B2 h).
    eapply Rle_trans; [apply Rabs_triang|]. lra.
  - intros e He. destruct (R1 (e / 2)) as [d1 [H1 K1]]; [lra|].
    destruct (R2 (e / 2)) as [d2 [H2 K2]]; [lra|].
    exists (Rmin d1 d2). split; [now apply Rmin_pos|]. intros z Hz.
    specialize (K1 z (Rlt_le_trans _ _ _ Hz (Rmin_l _ _))).
    specialize (K2 z (Rlt_le_trans _ _ _ Hz (Rmin_r _ _))).
    replace (_ - _ - _) with ((F z - F x - A (diff z x)) + (F' z - F' x - A' (diff z x))) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma frechet_scal c F x A : frechet l F x A -> frechet l (fun z => c * F z) x (fun h => c * A h).
Proof.
  intros HF. apply (frechet_comp (fun r => c * r) F x c A); [|exact HF].
  apply is_derive_Reals. intros e He. exists (mkposreal _ He). intros h Hh _.
  replace ((c * (F x + h) - c * F x) / h - c) with 0 by (field; exact Hh). rewrite Rabs_R0. lra.
Qed.

Lemma frechet_minus F F' x A A' : frechet l F x A -> frechet l F' x A' ->
  frechet l (fun z => F z - F' z) x (fun h => A h - A' h).
Proof.
  intros HF HF'. apply (frechet_ext l (fun z => F z + -1 * F' z)); [intros; ring|].
  eapply frechet_eq; [exact (frechet_plus _ _ _ _ _ HF (frechet_scal (-1) _ _ _ HF'))|].
  intros; simpl; ring.
Qed.

Lemma frechet_square F x A :
  frechet l F x A -> frechet l (fun z => F z ^ 2) x (fun h => 2 * F x * A h).
Proof.
  apply (frechet_comp (fun r => r ^ 2)).
  replace (2 * F x) with (INR 2 * 1 * F x ^ 1) by (simpl; ring).
  apply (is_derive_pow (fun r => r) 2 (F x) 1). exact (is_derive_id (F x)).
Qed.

Lemma frechet_mult F F' x A A' : frechet l F x A -> frechet l F' x A' ->
  frechet l (fun z => F z * F' z) x (fun h => A h * F' x + F x * A' h).
Proof.
  intros HF HF'.
  apply (frechet_ext l (fun z => / 4 * ((F z + F' z) ^ 2 - (F z - F' z) ^ 2))); [intros; field|].
  eapply frechet_eq.
  - apply frechet_scal, frechet_minus; apply frechet_square.
    + exact (frechet_plus _ _ _ _ _ HF HF').
    + exact (frechet_minus _ _ _ _ _ HF HF').
  - intros h. simpl. field.
Qed.

Lemma frechet_inv F x A : F x <> 0 ->
  frechet l F x A -> frechet l (fun z => / F z) x (fun h => - (/ F x ^ 2) * A h).
Proof.
  intros H0. apply (frechet_comp Rinv).
  replace (- (/ F x ^ 2)) with (- 1 / F x ^ 2) by (field; exact H0).
  apply (is_derive_inv (fun r => r)); [exact (is_derive_id (F x))|exact H0].
Qed.

Lemma frechet_sqrt F x A : 0 < F x ->
  frechet l F x A -> frechet l (fun z => sqrt (F z)) x (fun h => / (2 * sqrt (F x)) * A h).
Proof.
  intros H0. apply (frechet_comp sqrt).
  replace (/ (2 * sqrt (F x))) with (1 / (2 * sqrt (F x)))
    by (field; apply Rgt_not_eq, sqrt_lt_R0, H0).
  apply (is_derive_sqrt (fun r => r)); [exact (is_derive_id (F x))|exact H0].
Qed.

Lemma frechet_rsum n (F : nat -> (I -> R) -> R) x (A : nat -> (I -> R) -> R) :
  (forall i, (i < n)%nat -> frechet l (F i) x (A i)) ->
  frechet l (fun z => ∑ i < n, F i z) x (fun h => ∑ i < n, A i h).
Proof.
  induction n as [|n IH]; simpl; intros H; [apply frechet_const|].
  apply (frechet_plus (fun z => ∑ i < n, F i z) (F n)); [|apply H; lia].
  apply IH. intros; apply H; lia.
Qed.

(* ----------------------------------------------------------- partial derivatives *)
Variable dec : forall i k : I, {i = k} + {i <> k}.

Definition unit_vector (i k : I) : R := if dec k i then 1 else 0.

Lemma upd_same x i : upd dec x i (x i) = x.
Proof.
  apply functional_extensionality. intros k. unfold upd. now destruct (dec k i) as [->|].
Qed.

Lemma frechet_partial F x A i :
  frechet l F x A -> is_derive (fun t => F (upd dec x i t)) (x i) (A (unit_vector i)).
Proof.
  intros HF. apply (frechet_path F A (upd dec x i)); [now rewrite upd_same|].
  intros k _. unfold upd, unit_vector. destruct (dec k i).
  - exact (is_derive_id (x i)).
  - exact (is_derive_const (x k) (x i)).
Qed.
End Rules.
